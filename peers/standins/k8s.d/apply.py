"""Creates what a YAML manifest has, and prints a token of the service account `default`:
apply.py DIRECTORY PORT RESOURCE... <MANIFEST (one of these resources a document)"""

import json
import ssl
import sys
import urllib.request

directory, port, resources = sys.argv[1], sys.argv[2], sys.argv[3:]
tls = ssl.create_default_context(cafile=f"{directory}/ca.crt")


def post(path, body, kind):
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}{path}", body.encode(),
        {"Authorization": "Bearer admin-token", "Content-Type": kind})
    return json.load(urllib.request.urlopen(request, context=tls))


documents = sys.stdin.read().split("\n---\n") if resources else []
for resource, document in zip(resources, documents, strict=True):
    group = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    post(f"{group}/{resource}", document, "application/yaml")
account = "/api/v1/namespaces/default/serviceaccounts/default/token"
print(post(account, "{}", "application/json")["status"]["token"], end="")
