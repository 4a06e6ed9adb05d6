"""As much of Oracle Cloud as discovery needs, in pages of three: server.py DIRECTORY

Every signature is checked by the verifier inside Oracle's own SDK. The API key, the certificate of
the instance and the port are written to DIRECTORY.
"""

import base64
import datetime
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from oci._vendor.httpsig_cffi.verify import HeaderVerifier

directory = sys.argv[1]
TENANCY = "ocid1.tenancy.oc1..root"
USER = "ocid1.user.oc1..discover"
FINGERPRINT = "20:3b:97:13:55:1c:7c:8f:35:80:4f:3b:c3:5d:9a:11"


def new_key(name):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    with open(os.path.join(directory, name), "wb") as file:
        file.write(pem)
    return key, pem


def public_pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form)


def certificate(key):
    units = ["opc-certtype:instance", f"opc-tenant:{TENANCY}"]
    names = [x509.NameAttribute(NameOID.COMMON_NAME, "ocid1.instance.oc1..self")]
    names += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    name, now = x509.Name(names), datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


api_key, _ = new_key("key.pem")
new_key("other.pem")
instance_key, instance_pem = new_key("instance.pem")
leaf = certificate(instance_key)
leaf_pem = leaf.public_bytes(serialization.Encoding.PEM)
leaf_id = leaf.fingerprint(hashes.SHA1()).hex(":").upper()
# Key ids with their public keys; those of tokens are added as they are given.
KEYS = {
    f"{TENANCY}/{USER}/{FINGERPRINT}": public_pem(api_key.public_key()),
    f"{TENANCY}/fed-x509/{leaf_id}": public_pem(instance_key.public_key()),
}

COMPARTMENTS = {"apps": TENANCY, "db": "apps", "old": "apps"}
INSTANCES, ATTACHMENTS, VNICS = [], [], {}


def add_instance(number, compartment, state, consul, role):
    name = f"web-{number}"
    INSTANCES.append(
        {
            "id": name,
            "displayName": name,
            "compartmentId": compartment,
            "availabilityDomain": "Foha:EU-FRANKFURT-1-AD-1",
            "lifecycleState": state,
            "freeformTags": {"consul": consul},
            "definedTags": {"Operations": {"role": role}},
            "region": "eu-frankfurt-1",
            "shape": "VM.Standard.E2.1.Micro",
            "timeCreated": "2026-11-27T00:00:00Z",
        }
    )
    for index in range(2 if number == 1 else 1):
        vnic = f"vnic-{number}-{index}"
        ATTACHMENTS.append(
            {
                "id": f"attachment-{vnic}",
                "compartmentId": compartment,
                "instanceId": name,
                "availabilityDomain": "Foha:EU-FRANKFURT-1-AD-1",
                "lifecycleState": "ATTACHED",
                "subnetId": "subnet",
                "timeCreated": "2026-11-27T00:00:00Z",
                "vnicId": vnic,
            }
        )
        VNICS[vnic] = {
            "id": vnic,
            "compartmentId": compartment,
            "availabilityDomain": "Foha:EU-FRANKFURT-1-AD-1",
            "isPrimary": index == 0,
            "lifecycleState": "AVAILABLE",
            "privateIp": f"10.0.{index}.{number}",
            "publicIp": None if index else f"198.51.100.{number}",
            "ipv6Addresses": [f"2603:c020::{number}"] if index else None,
            "timeCreated": "2026-11-27T00:00:00Z",
        }


for number in range(1, 8):
    add_instance(number, "apps", "RUNNING", "server", "a" if number < 3 else "b")
add_instance(8, "apps", "STOPPED", "server", "a")
add_instance(9, "apps", "RUNNING", "client", "a")
add_instance(10, "db", "RUNNING", "server", "a")
for number in range(11, 14):
    add_instance(number, TENANCY, "RUNNING", "server", "a")


class Oracle(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body, **headers):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("opc-request-id", "request-1")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def page(self, items, query):
        first = int(query.get("page", ["0"])[0])
        last = first + 3
        more = {"opc_next_page": str(last)} if last < len(items) else {}
        self.reply(200, items[first:last], **more)

    def key_id(self, needed):
        """The id of the key whose signature holds."""
        text = self.headers.get("Authorization", "")
        key_id = text.partition('keyId="')[2].partition('"')[0]
        try:
            verifier = HeaderVerifier(
                dict(self.headers.items()),
                KEYS[key_id],
                required_headers=needed,
                method=self.command,
                path=self.path,
            )
            return key_id if verifier.verify() else None
        except Exception as problem:
            print(self.path, repr(problem), flush=True)
            return None

    def do_GET(self):
        parts = urlsplit(self.path)
        query, path = parse_qs(parts.query), parts.path.strip("/").split("/")
        if path[:2] == ["opc", "v2"]:
            if self.headers.get("Authorization") != "Bearer Oracle":
                return self.reply(403, {})
            return self.metadata("/".join(path[2:]))
        if not self.key_id(["date", "(request-target)", "host"]):
            return self.reply(401, {"code": "NotAuthenticated", "message": "wrong signature"})
        compartment = query.get("compartmentId", [""])[0]
        if path[1] == "vnics":
            return self.reply(200, VNICS[path[2]])
        if path[1] == "compartments":
            return self.page(
                [
                    {
                        "id": id,
                        "compartmentId": parent,
                        "name": id,
                        "description": id,
                        "lifecycleState": "DELETED" if id == "old" else "ACTIVE",
                        "timeCreated": "2026-11-27T00:00:00Z",
                    }
                    for id, parent in COMPARTMENTS.items()
                ],
                query,
            )
        if compartment not in [TENANCY, *COMPARTMENTS]:
            message = "Authorization failed or requested resource not found."
            return self.reply(404, {"code": "NotAuthorizedOrNotFound", "message": message})
        items = {"instances": INSTANCES, "vnicAttachments": ATTACHMENTS}[path[1]]
        self.page([item for item in items if item["compartmentId"] == compartment], query)

    def metadata(self, path):
        known = {
            "instance/regionInfo": json.dumps(
                {
                    "realmDomainComponent": "oraclecloud.com",
                    "realmKey": "oc1",
                    "regionIdentifier": "eu-frankfurt-1",
                    "regionKey": "FRA",
                }
            ).encode(),
            "instance/region": b"eu-frankfurt-1",
            "identity/cert.pem": leaf_pem,
            "identity/key.pem": instance_pem,
            "identity/intermediate.pem": leaf_pem,
        }
        self.reply(200 if path in known else 404, known.get(path, b""))

    def do_POST(self):
        """A token for the certificate of the instance, for the public key in the body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        digest = base64.b64encode(hashes_of(body)).decode()
        needed = ["date", "(request-target)", "content-length", "content-type", "x-content-sha256"]
        key_id = self.key_id(needed)
        fields = json.loads(body)
        sent = base64.b64decode(fields["certificate"])
        is_leaf = sent == leaf.public_bytes(serialization.Encoding.DER)
        if not key_id or "/fed-x509/" not in key_id or not is_leaf or digest != self.headers["x-content-sha256"]:
            return self.reply(401, {"code": "NotAuthenticated", "message": "wrong certificate"})
        claims = {"exp": int(time.time()) + 1200, "tenant": TENANCY}
        parts = [json.dumps({"alg": "RS256"}), json.dumps(claims), f"signature {len(KEYS)}"]
        encoded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
        token = ".".join(encoded)
        KEYS[f"ST${token}"] = public_pem(
            serialization.load_der_public_key(base64.b64decode(fields["publicKey"]))
        )
        self.reply(200, {"token": token})

    def log_message(self, *_):
        pass


def hashes_of(body):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(body)
    return digest.finalize()


server = ThreadingHTTPServer(("127.0.0.1", 0), Oracle)
with open(os.path.join(directory, "port"), "w") as file:
    file.write(str(server.server_port))
with open(os.path.join(directory, "config"), "w") as file:
    file.write(
        f"[DEFAULT]\ntenancy={TENANCY}\nregion=eu-frankfurt-1\nfingerprint={FINGERPRINT}\n"
        f"user={USER}\nkey_file={directory}/key.pem\n[wrong]\nkey_file={directory}/other.pem\n"
    )
server.serve_forever()
