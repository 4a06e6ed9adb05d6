"""Fills the databases of Keystone and Nova: seed.py KEYSTONE-URL NOVA-URL NOVA-CONFIG

Prints shell assignments of the ids. The user `discover` of the domain Default may read the projects
`cluster` and `other`; the user `guest` of the domain `people` may read `cluster`. The servers of
`cluster` are written by Nova's own objects, since there is no hypervisor: 130 active ones with the
metadata consul=server, two of them with rack=1 and the tag `blue`; 3 that are off and 1 that failed with the same; 2
with consul=client; 1 without. Each has two networks: `front` with a fixed address of either family
and a floating one, and `back`. `other` has 3 servers.
"""

import datetime
import logging
import sys
import uuid
import warnings

warnings.simplefilter("ignore")

from keystoneauth1 import session  # noqa: E402
from keystoneauth1.identity import v3  # noqa: E402
from nova import config, context, objects  # noqa: E402
from nova.network import model  # noqa: E402

keystone, nova, nova_config = sys.argv[1:]
PASSWORD = "s3cret"


def log_in(user, password, project):
    return session.Session(
        auth=v3.Password(
            auth_url=keystone,
            username=user,
            password=password,
            project_name=project,
            user_domain_name="Default",
            project_domain_name="Default",
        )
    )


admin = log_in("admin", "admin", "admin")


def create(path, kind, via=admin, **fields):
    return via.post(f"{keystone}/{path}", json={kind: fields}).json()[kind]["id"]


people = create("domains", "domain", name="people")
project = {
    name: create("projects", "project", name=name, domain_id="default")
    for name in ("cluster", "other", "service")
}
user = {
    name: create("users", "user", name=name, password=PASSWORD, domain_id=domain)
    for name, domain in (("nova", "default"), ("discover", "default"), ("guest", people))
}
roles = {role["name"]: role["id"] for role in admin.get(f"{keystone}/roles").json()["roles"]}
for where, who, role in (
    ("service", "nova", "admin"),
    ("service", "nova", "service"),
    ("cluster", "discover", "reader"),
    ("cluster", "discover", "member"),
    ("other", "discover", "reader"),
    ("cluster", "guest", "reader"),
):
    if role in roles:
        admin.put(f"{keystone}/projects/{project[where]}/users/{user[who]}/roles/{roles[role]}")
for region in ("RegionTwo",):
    create("regions", "region", id=region)
compute = create("services", "service", type="compute", name="nova")
for region in ("RegionOne", "RegionTwo"):
    for interface in ("public", "internal"):
        create(
            "endpoints",
            "endpoint",
            interface=interface,
            url=nova,
            region_id=region,
            service_id=compute,
        )
discover = log_in("discover", PASSWORD, "cluster")
credential = create(
    f"users/{user['discover']}/application_credentials",
    "application_credential",
    via=discover,
    name="peers",
    secret="appsecret",
)

config.parse_args(["nova", "--config-file", nova_config])
logging.disable(logging.CRITICAL)
objects.register_all()
api = context.get_admin_context()
cell = next(c for c in objects.CellMappingList.get_all(api) if c.name == "cell1")
now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
flavor = objects.Flavor(
    id=1, flavorid="1", name="small", memory_mb=512, vcpus=1, root_gb=1, ephemeral_gb=0, swap=0,
    rxtx_factor=1.0, vcpu_weight=0, is_public=True, disabled=False, description=None, extra_specs={},
)  # fmt: skip
STATES = {"ACTIVE": ("active", 1), "SHUTOFF": ("stopped", 4), "ERROR": ("error", 0)}


def network(label, addresses):
    subnets = []
    for address, version, floating in addresses:
        fixed = model.FixedIP(address=address, version=version)
        if floating:
            fixed["floating_ips"] = [model.IP(address=floating, type="floating", version=4)]
        subnets.append(model.Subnet(cidr=address + ("/64" if version == 6 else "/24"), ips=[fixed]))
    whole = model.Network(id=str(uuid.uuid4()), bridge="br-int", label=label, subnets=subnets)
    return model.VIF(id=str(uuid.uuid4()), address="fa:16:3e:00:00:01", network=whole, type="ovs")


def server(cell_context, number, owner, status, metadata):
    vm_state, power_state = STATES[status]
    name = f"server-{number}"
    instance = objects.Instance(
        context=cell_context, uuid=str(uuid.uuid4()), project_id=owner, user_id=user["discover"],
        display_name=name, hostname=name, host="compute1", node="compute1", launched_on="compute1",
        compute_id=1, vm_state=vm_state, power_state=power_state, task_state=None, flavor=flavor,
        instance_type_id=1, memory_mb=512, vcpus=1, root_gb=1, ephemeral_gb=0, image_ref="",
        created_at=now, launched_at=now, reservation_id="r-1", launch_index=0, locked=False,
        availability_zone="nova", metadata=metadata, system_metadata={}, key_name=None,
        root_device_name="/dev/vda", config_drive="", progress=0,
    )  # fmt: skip
    instance.create()
    objects.InstanceMapping(
        context=api, instance_uuid=instance.uuid, cell_mapping=cell, project_id=owner,
        user_id=user["discover"], queued_for_delete=False,
    ).create()  # fmt: skip
    if "rack" in metadata:
        objects.TagList.create(cell_context, instance.uuid, ["blue"])
    front = [
        (f"10.60.0.{number}", 4, f"203.0.113.{number}"),
        (f"fd60::{number:x}", 6, None),
    ]
    instance.info_cache.network_info = model.NetworkInfo(
        [network("front", front), network("back", [(f"10.61.0.{number}", 4, None)])]
    )
    instance.info_cache.save()


def fleet():
    for number in range(1, 131):
        rack = {"rack": "1"} if number <= 2 else {}
        yield "cluster", "ACTIVE", {"consul": "server", **rack}
    for status in ("SHUTOFF", "SHUTOFF", "SHUTOFF", "ERROR"):
        yield "cluster", status, {"consul": "server"}
    for metadata in ({"consul": "client"}, {"consul": "client"}, {}):
        yield "cluster", "ACTIVE", metadata
    for _ in range(3):
        yield "other", "ACTIVE", {"consul": "server"}


with context.target_cell(api, cell) as cell_context:
    for number, (owner, status, metadata) in enumerate(fleet(), 1):
        server(cell_context, number, project[owner], status, metadata)

print(f"cluster={project['cluster']}")
print(f"other={project['other']}")
print(f"credential={credential}")
print(f"token={discover.get_token()}")
