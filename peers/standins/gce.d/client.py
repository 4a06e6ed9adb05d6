"""Queries the stand-in with Google's own library (google-cloud-compute), and prints what it found."""

from google.api_core.exceptions import NotFound
from google.cloud import compute_v1

PROJECT, ZONE = "example-project", "us-east1-b"
instances, groups = compute_v1.InstancesClient(), compute_v1.InstanceGroupManagersClient()
request = compute_v1.AggregatedListInstancesRequest(project=PROJECT, filter='tags.items:"consul-server"')
found = [each for _, scoped in instances.aggregated_list(request) for each in scoped.instances]
print("aggregated", sorted(each.network_interfaces[0].network_i_p for each in found))
print("zones", len(list(compute_v1.ZonesClient().list(project=PROJECT))))
print("zone", sorted(each.name for each in instances.list(project=PROJECT, zone=ZONE)))
places = groups.aggregated_list(project=PROJECT)
print("groups", sorted(each.name for _, scoped in places for each in scoped.instance_group_managers))
members = groups.list_managed_instances(project=PROJECT, zone=ZONE, instance_group_manager="consul")
print("members", sorted(each.instance.rpartition("/")[2] for each in members))
try:
    list(instances.list(project="other", zone=ZONE))
except NotFound as error:
    print(error.code.value, error.message.rpartition(": ")[2])
