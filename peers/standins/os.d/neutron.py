"""What nova-api requests from Neutron when it lists servers: no ports, no security groups. neutron.py PORT"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Empty(BaseHTTPRequestHandler):
    def do_GET(self):
        collection = self.path.partition("?")[0].rstrip("/").rpartition("/")[2]
        body = json.dumps({collection.replace("-", "_"): []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Empty).serve_forever()
