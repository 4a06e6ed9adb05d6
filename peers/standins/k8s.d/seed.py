"""Fills a kube-apiserver with pods and endpoint slices: seed.py DIRECTORY PORT.

There is no kubelet and no controller: the states of pods and the slices are written here.
"""

import http.client
import json
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor

directory, port = sys.argv[1], int(sys.argv[2])
tls = ssl.create_default_context(cafile=f"{directory}/ca.crt")
PORT = "consul.hashicorp.com/auto-join-port"


class Api:
    """One kept connection."""

    def __init__(self):
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls)

    def send(self, method, path, body, kind="application/json"):
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"Authorization": "Bearer admin-token", "Content-Type": kind}
        self.connection.request(method, path, text, headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status not in (200, 201, 409):
            raise SystemExit(f"{method} {path}: {response.status} {text.decode()}")
        return json.loads(text)

    def pod(self, namespace, name, ip, phase="Running", ready="True", annotations=None, ports=None,
            component="server", node="node-1", more=()):
        pods = f"/api/v1/namespaces/{namespace}/pods"
        containers = [{"name": "consul", "image": "consul", "ports": ports or []}]
        self.send("POST", pods, {
            "metadata": {
                "name": name, "labels": {"app": "consul", "component": component},
                "annotations": annotations or {},
            },
            "spec": {
                "automountServiceAccountToken": False, "nodeName": node, "containers": containers,
            },
        })
        status = {"phase": phase, "hostIP": "192.0.2.9", "hostIPs": [{"ip": "192.0.2.9"}]}
        if ip:
            status |= {"podIP": ip, "podIPs": [{"ip": each} for each in (ip, *more)]}
        if ready:
            status["conditions"] = [{"type": "Ready", "status": ready}]
        self.send("PATCH", f"{pods}/{name}/status", {"status": status}, "application/merge-patch+json")


def many(part):
    api = Api()
    for i in range(part, 1200, 4):
        api.pod("many", f"server-{i:04}", f"10.50.{i // 250}.{i % 250 + 1}")


api = Api()
for namespace in ("default", "other", "many", "nowhere"):
    api.send("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
api.send("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
role = "/apis/rbac.authorization.k8s.io/v1"
api.send("POST", f"{role}/clusterroles", {
    "metadata": {"name": "reader"},
    "rules": [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]},
    ],
})
api.send("POST", f"{role}/clusterrolebindings", {
    "metadata": {"name": "reader"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
    "subjects": [{"kind": "User", "name": "reader"}],
})
for i in range(3):
    api.pod("default", f"server-{i}", f"10.40.0.{i + 1}", node=f"node-{i}")
serf = [{"name": "serf", "containerPort": 8301, "hostPort": 18301}]
api.pod("default", "pending", None, "Pending", None, component="odd")
api.pod("default", "done", "10.40.1.9", "Succeeded", "False", component="odd")
api.pod("default", "failed", "10.40.1.10", "Failed", None, component="odd")
api.pod("default", "unready", "10.40.1.2", ready="False", component="odd")
api.pod("default", "no-condition", "10.40.1.3", ready=None, component="odd")
for name, ip, text in [("named", "10.40.2.1", "serf"), ("number", "10.40.2.2", "8302"),
                       ("octal", "10.40.2.3", "017"), ("no-port", "10.40.2.4", "nosuch")]:
    api.pod("default", name, ip, annotations={PORT: text}, ports=serf, component="ports")
for name, ip, text in [("large", "10.40.3.1", "70000"), ("negative", "10.40.3.2", "-1")]:
    api.pod("default", name, ip, annotations={PORT: text}, component="bad-ports")
api.pod("default", "six", "fd40::8", component="six", more=["10.40.4.8"])
api.pod("default", "six-port", "fd40::9", annotations={PORT: "8301"}, component="six-port")
api.pod("other", "other-0", "10.41.0.1")
api.pod("other", "other-1", "10.41.0.2")
with ThreadPoolExecutor(4) as pool:
    list(pool.map(many, range(4)))

slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
for name, kind, addresses in [("consul-4", "IPv4", ["10.40.0.1", "10.40.0.2"]),
                              ("consul-6", "IPv6", ["fd40::1"])]:
    api.send("POST", slices, {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "consul"}},
        "addressType": kind, "ports": [{"name": "serflan", "port": 8301}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in addresses]
        + ([{"addresses": ["10.40.0.3"], "conditions": {"ready": False}}] if kind == "IPv4" else []),
    })
print("seeded")
