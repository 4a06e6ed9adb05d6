"""A stand-in for Google Cloud: server.py DIRECTORY PORT

It is the forward proxy through which every program reaches it, too: `CONNECT` to a host of Google
or AWS ends here, in TLS with the certificate of DIRECTORY. Written after the reference of the
Compute Engine API v1 (zones.list, instances.list, instances.aggregatedList,
instanceGroupManagers.aggregatedList, instanceGroupManagers.listManagedInstances; partial
responses as `fields` selects them), RFC 7523 and 8693, AIP 4117, and the
documentation of both metadata servers. Every assertion and every AWS signature is verified.

DIRECTORY has server.crt and server.key (TLS), public.pem (of the service account); requests.log is
written there, a line each. Pages have three entries, in the project `large` five hundred.
"""

import base64
import hashlib
import hmac
import json
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIRECTORY, PORT = sys.argv[1], int(sys.argv[2])
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
TLS.load_cert_chain(f"{DIRECTORY}/server.crt", f"{DIRECTORY}/server.key")
ACCOUNT = "discover@example-project.iam.gserviceaccount.com"
AWS_KEYS = {"AKIDENV": "env-secret", "ASIAROLE": "role-secret"}


def instance(number, zone, tags, labels, status="RUNNING", interfaces=None):
    first = {
        "name": "nic0", "networkIP": f"10.128.{number // 250}.{number % 250 + 1}",
        "accessConfigs": [{"natIP": f"198.51.100.{number % 250 + 1}"}],
    }
    return {
        "id": str(1000 + number), "name": f"i-{number}", "status": status, "tags": {"items": tags},
        "labels": labels, "networkInterfaces": [first] if interfaces is None else interfaces,
        "zone": f"https://www.googleapis.com/compute/v1/projects/p/zones/{zone}",
    }


def example():
    zones = {zone: [] for zone in ("us-east1-b", "us-east1-c", "us-west1-a", "europe-west1-d", "asia-east1-a")}
    server, quoted = ["consul-server", "http"], {"consul": 'a"b\\c'}
    for number in range(8):
        zone = ["us-east1-b", "us-east1-c", "us-west1-a", "us-east1-b"][number % 4]
        zones[zone].append(instance(number, zone, server, {"consul": "server", "env": "prod" if number < 5 else "dev"}))
    zones["us-east1-c"].append(instance(20, "us-east1-c", ["consul-client"], {"consul": "client"}))
    zones["europe-west1-d"].append(instance(30, "europe-west1-d", ["stopped"], {}, "TERMINATED"))
    zones["europe-west1-d"].append(instance(31, "europe-west1-d", ["bare"], {}, interfaces=[]))
    zones["europe-west1-d"].append(instance(32, "europe-west1-d", ["bare"], {"x": "y"}))
    zones["europe-west1-d"].append(instance(33, "europe-west1-d", [], quoted))
    two = [{"name": "nic0", "networkIP": "10.128.9.1"}, {"name": "nic1", "networkIP": "10.129.9.1"}]
    zones["europe-west1-d"].append(instance(34, "europe-west1-d", ["two-interfaces"], {}, interfaces=two))
    return zones


def large():
    names = [f"{region}-{letter}" for region in ("us-east1", "us-west1", "europe-west1", "asia-east1") for letter in "abc"]
    zones = {zone: [] for zone in names}
    for number in range(1200):
        zone = names[number % 12]
        zones[zone].append(instance(number, zone, ["consul-server"] if number % 3 else ["other"], {}))
    return zones


PROJECTS = {"example-project": example(), "large": large()}
GROUPS = {"consul": ("zones/us-east1-b", ["us-east1-b/i-0", "us-east1-b/i-4"]),
          "regional": ("regions/us-east1", ["us-east1-b/i-0", "us-east1-c/i-1", "us-east1-c/i-5", "us-east1-b/i-3"])}


def matches(text, item):
    """The part of the filter language that is documented for these: AND of `field op "value"`."""
    for part in re.findall(r'((?:[^"()]|"(?:\\.|[^"\\])*")+)', text):
        if part.strip() in ("", "AND"):
            continue
        found = re.fullmatch(r'\s*([\w.-]+)\s*([:=])\s*"((?:\\.|[^"\\])*)"\s*', part)
        if not found:
            raise Refused(400, "invalid", f"Invalid value for field 'filter': '{text}'.")
        field, operator, value = found[1], found[2], re.sub(r"\\(.)", r"\1", found[3])
        actual = item
        for name in field.split("."):
            actual = actual.get(name, {}) if isinstance(actual, dict) else {}
        if not (value in actual if operator == ":" else actual == value):
            return False
    return True


def selector(text):
    """The tree of names of a `fields` parameter (partial responses): `a,b(c,d),e/f,items/*/g`."""
    tree, stack, path = {}, [], []
    here = tree
    for word in re.findall(r"[\w*]+|[,/()]", text):
        if word == "(":
            stack.append(here)
            here = path[-1]
        elif word == ")":
            here = stack.pop()
        elif word not in (",", "/"):
            parent = path[-1] if path and last == "/" else here
            path.append(parent.setdefault(word, {}))
        last = word
    return tree


def selected(value, tree):
    """What `fields` leaves of a response; a list is that of its elements."""
    if not tree:
        return value
    if isinstance(value, list):
        return [selected(each, tree) for each in value]
    if not isinstance(value, dict):
        return value
    wanted = {name: tree.get(name, tree.get("*")) for name in value}
    return {name: selected(value[name], sub) for name, sub in wanted.items() if sub is not None}


class Refused(Exception):
    def __init__(self, status, reason, message):
        self.status = status
        self.body = {"error": {"code": status, "message": message, "errors": [
            {"message": message, "domain": "global", "reason": reason}]}}


class OAuthError(Exception):
    def __init__(self, code, description):
        self.status, self.body = 400, {"error": code, "error_description": description}


def token_of(subject):
    return {"access_token": f"token-of-{subject}", "token_type": "Bearer", "expires_in": 3599}


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verify_assertion(assertion, *audiences):
    """An RS256 assertion of the service account for one of the audiences; gives its claims."""
    try:
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(decoded(part)) for part in signed.split("."))
        with tempfile.NamedTemporaryFile() as file:
            file.write(decoded(signature))
            file.flush()
            command = ["openssl", "dgst", "-sha256", "-verify", f"{DIRECTORY}/public.pem", "-signature", file.name]
            valid = subprocess.run(command, input=signed.encode(), capture_output=True).returncode == 0
    except ValueError:
        valid = False
    if not valid:
        raise OAuthError("invalid_grant", "Invalid JWT Signature.")
    if header["alg"] != "RS256" or claims["iss"] != ACCOUNT or claims.get("aud") not in audiences:
        raise OAuthError("invalid_grant", "Invalid issuer or audience.")
    if not claims["iat"] - 60 < time.time() < claims["exp"] <= claims["iat"] + 3600:
        raise OAuthError("invalid_grant", "Invalid JWT: Token must be a short-lived token.")
    return claims


def verify_aws(subject):
    """A signed GetCallerIdentity request (AIP 4117): the signature is computed again."""
    request = json.loads(urllib.parse.unquote_plus(subject))
    headers = {each["key"].lower(): each["value"] for each in request["headers"]}
    url = urllib.parse.urlsplit(request["url"])
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8}/([\w-]+)/sts/aws4_request), ?SignedHeaders=([\w;-]+), ?Signature=(\w+)",
        headers["authorization"])
    if not found or request["method"] != "POST" or url.netloc != f"sts.{found[3]}.amazonaws.com" or headers["host"] != url.netloc:
        raise OAuthError("invalid_grant", "not a signed GetCallerIdentity request")
    if "x-goog-cloud-target-resource" not in found[4] or headers["x-goog-cloud-target-resource"] != AUDIENCE:
        raise OAuthError("invalid_grant", "the audience isn't signed")
    if found[1] == "ASIAROLE" and (headers.get("x-amz-security-token") != "role-token" or "x-amz-security-token" not in found[4]):
        raise OAuthError("invalid_grant", "the session token isn't signed")
    query = "&".join(sorted(url.query.split("&")))
    names = found[4].split(";")
    canonical = "\n".join(["POST", url.path or "/", query, *[f"{name}:{headers[name]}" for name in names], "", found[4],
                           hashlib.sha256(b"").hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], found[2], hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + AWS_KEYS.get(found[1], "").encode()
    for part in found[2].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    if hmac.digest(key, text.encode(), "sha256").hex() != found[5]:
        raise OAuthError("invalid_grant", "the AWS signature doesn't match")
    return found[1]


SCOPES = [f"https://www.googleapis.com/auth/{name}" for name in ["compute", "compute.readonly", "cloud-platform"]]
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider"


# The second is that of networks which reach no other host of Google's.
TOKEN_HOSTS = ["oauth2.googleapis.com", "private.googleapis.com"]


def oauth_token(form):
    if form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer":
        claims = verify_assertion(form["assertion"], *[f"https://{host}/token" for host in TOKEN_HOSTS])
        if not claims["scope"].startswith("https://www.googleapis.com/auth/compute"):
            raise OAuthError("invalid_scope", claims["scope"])
        return token_of("account")
    if (form.get("client_id"), form.get("client_secret"), form.get("refresh_token")) == ("client", "client-secret", "refresh"):
        return token_of("user")
    raise OAuthError("invalid_grant", "Token has been expired or revoked.")


def sts_token(form):
    kind, subject = form["subject_token_type"], form["subject_token"]
    if form["audience"] != AUDIENCE or form["grant_type"] != "urn:ietf:params:oauth:grant-type:token-exchange":
        raise OAuthError("invalid_request", "audience or grant_type")
    if kind == "urn:ietf:params:aws:token-type:aws4_request":
        return {**token_of(f"federated-{verify_aws(subject)}"), "issued_token_type": form["requested_token_type"]}
    if subject != "oidc-token":
        raise OAuthError("invalid_grant", "The subject token is invalid.")
    return {**token_of("federated-oidc"), "issued_token_type": form["requested_token_type"]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host = None

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        self.host = self.path.rpartition(":")[0]
        self.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            self.connection = TLS.wrap_socket(self.connection, server_side=True)
        except OSError:
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False
        while not self.close_connection:
            self.handle_one_request()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        host = url.hostname or self.host or self.headers.get("Host", "")
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with open(f"{DIRECTORY}/requests.log", "a") as log:
            log.write(f"{self.command} {host}{url.path} {json.dumps(query)}\n")
        try:
            status, answer = 200, self.answer(host, url.path, query, body)
        except (Refused, OAuthError) as refused:
            status, answer = refused.status, refused.body
        except KeyError as missing:
            status, answer = 400, {"error": "invalid_request", "error_description": f"{missing} is missing"}
        is_text = isinstance(answer, str)
        reply = (answer if is_text else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if is_text else "application/json")
        if "/computeMetadata/" in url.path:
            self.send_header("Metadata-Flavor", "Google")
        if url.path == "/latest/api/token":
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "300")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_POST = do_PUT = do_GET

    def answer(self, host, path, query, body):
        if host in TOKEN_HOSTS and path == "/token":
            return oauth_token(dict(urllib.parse.parse_qsl(body)))
        if host == "sts.googleapis.com" and path == "/v1/token":
            return sts_token(dict(urllib.parse.parse_qsl(body)))
        if host == "iamcredentials.googleapis.com":
            return self.impersonate(path, json.loads(body))
        if host == "compute.googleapis.com":
            answer = self.compute(path.removeprefix("/compute/v1/projects/").split("/"), query)
            return selected(answer, selector(query.get("fields", "")))
        if path.startswith("/latest/"):
            return self.aws_metadata(path)
        if path.startswith("/computeMetadata/v1/"):
            return self.metadata(path.removeprefix("/computeMetadata/v1/"))
        if path == "/subject-token" and self.headers.get("X-Secret") == "sesame":
            return {"value": "oidc-token"}
        raise Refused(404, "notFound", f"no {host}{path}")

    def bearer(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def impersonate(self, path, body):
        if path != f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken":
            raise Refused(404, "notFound", "Not found; Gaia id not found for email")
        if not self.bearer().startswith(("token-of-federated", "token-of-user")):
            raise Refused(403, "forbidden", "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).")
        if not body["scope"][0].startswith("https://www.googleapis.com/auth/compute"):
            raise Refused(400, "badRequest", "scope")
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        return {"accessToken": "token-of-impersonated", "expireTime": end}

    def metadata(self, path):
        if self.headers.get("Metadata-Flavor") != "Google":
            raise Refused(403, "forbidden", "Missing Metadata-Flavor:Google header.")
        if path == "instance/service-accounts/default/token":
            return token_of("metadata")
        group = "projects/1/zones/us-east1-b/instanceGroupManagers/consul"
        values = {"project/project-id": "example-project", "instance/zone": "projects/1/zones/us-east1-b",
                  "instance/attributes/created-by": group, "universe/universe-domain": "googleapis.com"}
        if path in values:
            return values[path]
        raise Refused(404, "notFound", path)

    def aws_metadata(self, path):
        if path == "/latest/api/token":
            return "session" if self.command == "PUT" else ""
        if self.headers.get("X-aws-ec2-metadata-token") != "session":
            raise Refused(401, "unauthorized", "no session")
        role = "/latest/meta-data/iam/security-credentials"
        values = {"/latest/meta-data/placement/availability-zone": "us-east-2b", role: "node-role", f"{role}/": "node-role"}
        if path == f"{role}/node-role":
            return {"Code": "Success", "AccessKeyId": "ASIAROLE", "SecretAccessKey": "role-secret", "Token": "role-token",
                    "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}
        if path == "/latest/dynamic/instance-identity/document":
            return {"region": "us-east-2", "availabilityZone": "us-east-2b", "version": "2017-09-30"}
        if path in values:
            return values[path]
        raise Refused(404, "notFound", path)

    def compute(self, path, query):
        project, rest = path[0], path[1:]
        token = self.bearer()
        if not token.startswith("token-of-"):
            # A self-signed token (AIP 4111), with an audience or scopes.
            try:
                claims = verify_assertion(token, "https://compute.googleapis.com/", None)
                scopes = claims.get("scope", "").split()
                if claims["sub"] != ACCOUNT or ("aud" in claims) == bool(scopes):
                    raise OAuthError("invalid_grant", "Neither an audience nor scopes, or both.")
                if scopes and not any(scope in SCOPES for scope in scopes):
                    raise OAuthError("invalid_scope", claims["scope"])
            except OAuthError:
                raise Refused(401, "authError", "Request had invalid authentication credentials.") from None
        if token == "token-of-federated-AKIDENV":
            raise Refused(403, "forbidden", f"Required 'compute.instances.list' permission for 'projects/{project}'")
        if project not in PROJECTS:
            raise Refused(404, "notFound", f"The resource 'projects/{project}' was not found")
        zones = PROJECTS[project]
        if rest == ["zones"]:
            names = list(zones)
            if "filter" in query:
                try:
                    pattern = re.compile(query["filter"].removeprefix("name eq "))
                except re.error:
                    raise Refused(400, "invalid", f"Invalid value for field 'filter': '{query['filter']}'.") from None
                names = [name for name in names if pattern.fullmatch(name)]
            return self.page(project, "items", [{"name": name} for name in names], query)
        if len(rest) == 3 and rest[0] == "zones" and rest[2] == "instances":
            found = [each for each in zones.get(rest[1], []) if matches(query.get("filter", ""), each)]
            return self.page(project, "items", found, query)
        if rest == ["aggregated", "instances"]:
            found = [(f"zones/{zone}", each) for zone, list_ in zones.items() for each in list_ if matches(query.get("filter", ""), each)]
            return self.aggregated(project, "instances", found, query)
        if rest == ["aggregated", "instanceGroupManagers"]:
            found = [(place, {"name": name}) for name, (place, _) in GROUPS.items() if matches(query.get("filter", ""), {"name": name})]
            return self.aggregated(project, "instanceGroupManagers", found, query)
        if len(rest) == 5 and rest[2] == "instanceGroupManagers" and rest[4] == "listManagedInstances" and self.command == "POST":
            place, members = GROUPS.get(rest[3], (None, []))
            if place == "/".join(rest[:2]):
                url = f"https://www.googleapis.com/compute/v1/projects/{project}/zones/"
                members = [{"instance": url + member.replace("/", "/instances/"), "instanceStatus": "RUNNING"} for member in members]
                return self.page(project, "managedInstances", members, query)
        raise Refused(404, "notFound", f"The resource 'projects/{'/'.join(path)}' was not found")

    def page(self, project, name, items, query):
        size, start = 500 if project == "large" else 3, int(query.get("pageToken") or 0)
        page = {name: items[start:start + size]}
        if start + size < len(items):
            page["nextPageToken"] = str(start + size)
        return page

    def aggregated(self, project, name, found, query):
        page = self.page(project, "items", found, query)
        warning = {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope on this page."}
        items = {f"zones/{zone}": {"warning": warning} for zone in PROJECTS[project]}
        for place, each in page["items"]:
            items.setdefault(place, {}).pop("warning", None)
            items[place].setdefault(name, []).append(each)
        return {**page, "items": items}


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
