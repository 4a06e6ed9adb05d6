"""Serves the WSGI application of a module on the loopback: serve.py PORT MODULE.

OpenStack's own server programs need a web server in front of them, and its option parser reads the
command line of whatever runs it.
"""

import importlib
import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

port, module = int(sys.argv[1]), sys.argv[2]
del sys.argv[1:]


class ThreadedServer(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


application = importlib.import_module(module).application
make_server("127.0.0.1", port, application, ThreadedServer, WSGIRequestHandler).serve_forever()
