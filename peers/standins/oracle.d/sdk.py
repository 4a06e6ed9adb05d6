"""The addresses that Oracle's own SDK finds: sdk.py URL CONFIG|- COMPARTMENT TAG=VALUE [NAMESPACE.KEY=VALUE]

With `-` it signs as an instance principal.
"""

import sys

import oci

url, config, compartment, free, *defined = sys.argv[1:]
if config == "-":
    signer = oci.auth.signers.InstancePrincipalsSecurityTokenSigner(
        federation_endpoint=f"{url}/v1/x509"
    )
    settings = {}
else:
    settings = oci.config.from_file(config)
    signer = oci.signer.Signer.from_config(settings)
compute = oci.core.ComputeClient(settings, signer=signer, service_endpoint=url)
network = oci.core.VirtualNetworkClient(settings, signer=signer, service_endpoint=url)
every = oci.pagination.list_call_get_all_results


def matches(instance):
    name, value = free.split("=")
    if instance.lifecycle_state != "RUNNING" or instance.freeform_tags.get(name) != value:
        return False
    for condition in defined:
        name, value = condition.split("=")
        namespace, key = name.split(".")
        if instance.defined_tags.get(namespace, {}).get(key) != value:
            return False
    return True


instances = every(compute.list_instances, compartment).data
wanted = {instance.id for instance in instances if matches(instance)}
for attachment in every(compute.list_vnic_attachments, compartment).data:
    if attachment.instance_id in wanted:
        print(network.get_vnic(attachment.vnic_id).data.private_ip)
