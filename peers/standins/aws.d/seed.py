"""Fills moto with what the script beside it compares, and writes what has to be found.

seed.py ENDPOINT DIRECTORY

DIRECTORY gets one file per list of addresses, `keys.env` with the access keys of users, and an
`.aws` directory of profiles. Signatures and permissions must not be checked yet: that is switched on
afterwards by `POST /moto-api/reset-auth`.
"""

import json
import pathlib
import sys

import boto3

ENDPOINT, DIRECTORY = sys.argv[1], pathlib.Path(sys.argv[2])
ALLOWED = [
    "ec2:DescribeInstances",
    "ecs:ListClusters",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:DescribeContainerInstances",
    "sts:AssumeRole",
]


class Region:
    """One region with a network of its own."""

    def __init__(self, name, block):
        session = boto3.Session("seed", "seed", region_name=name)
        self.ec2 = session.client("ec2", endpoint_url=ENDPOINT)
        self.ecs = session.client("ecs", endpoint_url=ENDPOINT)
        images = self.ec2.describe_images(Owners=["amazon"])["Images"]
        self.image = images[0]["ImageId"]
        vpc = self.ec2.create_vpc(
            CidrBlock=f"{block}.0.0/16", AmazonProvidedIpv6CidrBlock=True
        )["Vpc"]["VpcId"]
        # Without host names RunTask ends with status 500 here.
        self.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        described = self.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]
        ipv6 = described["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
        self.subnet = self.ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"{block}.0.0/18",
            Ipv6CidrBlock=ipv6.replace("/56", "/64"),
        )["Subnet"]["SubnetId"]
        self.group = self.ec2.create_security_group(
            GroupName="peers", Description="peers", VpcId=vpc
        )["GroupId"]

    def instances(self, count, ipv6=False, **tags):
        """Starts instances, and returns them as they are described."""
        started = self.ec2.run_instances(
            ImageId=self.image,
            MinCount=count,
            MaxCount=count,
            NetworkInterfaces=[
                {
                    "DeviceIndex": 0,
                    "SubnetId": self.subnet,
                    "AssociatePublicIpAddress": True,
                }
            ],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": k, "Value": v} for k, v in tags.items()],
                }
            ],
        )["Instances"]
        if ipv6:
            for instance in started:
                interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
                self.ec2.assign_ipv6_addresses(
                    NetworkInterfaceId=interface, Ipv6AddressCount=2
                )
        identities = [instance["InstanceId"] for instance in started]
        pages = self.ec2.get_paginator("describe_instances").paginate(
            InstanceIds=identities
        )
        return [
            instance
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        ]

    def tasks(self, cluster, family, count, **tags):
        """Runs tasks with an interface of their own, and returns their addresses."""
        arns = []
        for at in range(0, count, 10):
            started = self.ecs.run_task(
                cluster=cluster,
                taskDefinition=family,
                count=min(10, count - at),
                tags=[{"key": key, "value": value} for key, value in tags.items()],
                launchType="FARGATE",
                networkConfiguration={
                    "awsvpcConfiguration": {
                        "subnets": [self.subnet],
                        "securityGroups": [self.group],
                    }
                },
            )["tasks"]
            arns += [task["taskArn"] for task in started]
        addresses = []
        for at in range(0, count, 100):
            described = self.ecs.describe_tasks(
                cluster=cluster, tasks=arns[at : at + 100]
            )["tasks"]
            addresses += [
                detail["value"]
                for task in described
                for attachment in task["attachments"]
                for detail in attachment["details"]
                if detail["name"] == "privateIPv4Address"
            ]
        return addresses

    def family(self, name, mode):
        self.ecs.register_task_definition(
            family=name,
            networkMode=mode,
            containerDefinitions=[
                {"name": "main", "image": "busybox", "cpu": 10, "memory": 64}
            ],
        )

    def register(self, cluster, instance):
        """Makes an instance a container instance of the cluster, and returns its ARN."""
        document = {"instanceId": instance["InstanceId"], "region": "us-east-1"}
        registered = self.ecs.register_container_instance(
            cluster=cluster, instanceIdentityDocument=json.dumps(document)
        )
        return registered["containerInstance"]["containerInstanceArn"]


def write(name, addresses):
    text = "".join(f"{address}\n" for address in sorted(addresses))
    (DIRECTORY / name).write_text(text)


def of(instances, field):
    return [instance[field] for instance in instances if field in instance]


def virginia():
    region = Region("us-east-1", "10.20")
    servers = region.instances(3, ipv6=True, consul="server", dc="one")
    more = region.instances(2, consul="server-2")
    region.instances(2, consul="client")
    # The name of the machine that the mock of the metadata service describes.
    own = region.instances(1, Name="test-instance")
    write("own_name", of(own, "PrivateIpAddress"))
    stopped = region.instances(1, consul="server", dc="one")
    region.ec2.stop_instances(InstanceIds=of(stopped, "InstanceId"))
    write("private_v4", of(servers, "PrivateIpAddress"))
    write("public_v4", of(servers, "PublicIpAddress"))
    write("wildcard", of(servers + more, "PrivateIpAddress"))
    write("any_state", of(servers + stopped, "PrivateIpAddress"))
    write(
        "public_v6",
        [
            address["Ipv6Address"]
            for instance in servers
            for interface in instance["NetworkInterfaces"]
            for address in interface["Ipv6Addresses"]
        ],
    )
    for cluster in ("blue", "green", "hosts"):
        region.ecs.create_cluster(clusterName=cluster)
    for family, mode in (
        ("consul", "awsvpc"),
        ("nomad", "awsvpc"),
        ("vault", "host"),
    ):
        region.family(family, mode)
    blue = region.tasks("blue", "consul", 3, consul="server")
    nomad = region.tasks("blue", "nomad", 2, consul="server")
    region.tasks("blue", "nomad", 1, consul="client")
    green = region.tasks("green", "consul", 130, consul="server")
    write("ecs_blue", blue + nomad)
    write("ecs_family", nomad)
    write("ecs_green", green)
    write("ecs_all_awsvpc", blue + nomad + green)
    hosts = region.instances(2, role="ecs")
    for host in hosts:
        region.ecs.start_task(
            cluster="hosts",
            taskDefinition="vault",
            containerInstances=[region.register("hosts", host)],
            tags=[{"key": "consul", "value": "server"}],
        )
    write("ecs_hosts", of(hosts, "PrivateIpAddress"))


def ireland():
    region = Region("eu-west-1", "10.30")
    # Pages are of whole reservations: each instance has its own.
    many = [region.instances(1, consul="server")[0] for _ in range(120)]
    write("many", of(many, "PrivateIpAddress"))
    write("ireland_web", of(region.instances(2, consul="web"), "PrivateIpAddress"))


def frankfurt():
    region = Region("eu-central-1", "10.40")
    write("frankfurt_web", of(region.instances(1, consul="web"), "PrivateIpAddress"))


def users():
    iam = boto3.Session("seed", "seed", region_name="us-east-1").client(
        "iam", endpoint_url=ENDPOINT
    )

    def policy(actions, **more):
        statement = {"Effect": "Allow", "Action": actions, **more}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    keys = {}
    for name, actions in (("allowed", ALLOWED), ("denied", ["s3:ListBucket"])):
        iam.create_user(UserName=name)
        iam.put_user_policy(
            UserName=name, PolicyName="p", PolicyDocument=policy(actions, Resource="*")
        )
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys[name] = (key["AccessKeyId"], key["SecretAccessKey"])
    trust = policy("sts:AssumeRole", Principal={"AWS": "*"})
    role = iam.create_role(RoleName="finder", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(
        RoleName="finder", PolicyName="p", PolicyDocument=policy(ALLOWED, Resource="*")
    )
    shared = DIRECTORY / ".aws"
    shared.mkdir()
    (shared / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
            for name, (key, secret) in keys.items()
        )
    )
    (shared / "config").write_text(
        f"[profile role]\nrole_arn = {role['Arn']}\nsource_profile = allowed\n"
        f"[profile web]\nrole_arn = {role['Arn']}\n"
        f"web_identity_token_file = {DIRECTORY}/token\n"
    )
    (DIRECTORY / "token").write_text("header.payload.signature")
    (DIRECTORY / "keys.env").write_text(
        "".join(
            f"{name}_id={key}\n{name}_secret={secret}\n"
            for name, (key, secret) in keys.items()
        )
        + f"role={role['Arn']}\n"
    )


virginia()
ireland()
frankfurt()
users()
