package peers

import (
	"testing"
	"time"

	"cloud-autojoin/peers/cloud"
)

const uniform = "orchestration_mode = \"uniform\"\n"

func settings(lines string) string { return "\n[settings]\n" + lines + "\n" }

var scenarios = []scenario{
	// Where go-discover is right.
	{name: "a Uniform set", world: world(scaleSet(uniform + "instances = 3")), join: bySet, same: found("10.0.2.4", "10.0.2.5", "10.0.2.6")},
	{
		name:  "a Uniform set with two interfaces an instance and two configurations an interface",
		world: world(scaleSet(uniform + "instances = 2\ninterfaces = 2\nip_configurations = 2")), join: bySet,
		same: found("10.0.2.10", "10.0.2.11", "10.0.2.4", "10.0.2.5", "10.0.2.6", "10.0.2.7", "10.0.2.8", "10.0.2.9"),
	},
	{
		name:  "a Uniform set with IPv6",
		world: world(scaleSet(uniform + "instances = 2\nipv6 = \"address\"")), join: bySet,
		same: found("10.0.2.4", "10.0.2.5", "fd00::4", "fd00::5"),
	},
	{
		name:  "an IPv6 configuration that got no address",
		world: world(scaleSet(uniform + "instances = 2\nipv6 = \"without-address\"")), join: bySet,
		same: found("10.0.2.4", "10.0.2.5"),
	},
	{name: "tags", world: world(tagged), join: byTag, same: found("10.0.3.4", "10.0.3.5", "10.0.3.6")},
	{
		name: "tags on interfaces of one machine, several configurations, both families",
		world: world(`
[[resource_group]]
name = "machines"
subnet = "10.0.3.0/24"

[[resource_group.virtual_machine]]
name = "consul"
[[resource_group.virtual_machine.network_interface]]
name = "front"
tags = { consul = "server" }
addresses = ["10.0.3.20", "10.0.3.21", "fd00::20"]
[[resource_group.virtual_machine.network_interface]]
name = "back"
tags = { consul = "server" }
addresses = ["10.0.3.30", "none"]
[[resource_group.virtual_machine.network_interface]]
name = "storage"
`), join: byTag, same: found("10.0.3.20", "10.0.3.21", "10.0.3.30", "fd00::20"),
	},
	{
		name: "tagged interfaces without a machine, and of a machine that is deallocated",
		world: world(`
[[resource_group]]
name = "machines"
subnet = "10.0.3.0/24"

[[resource_group.virtual_machine]]
name = "stopped"
power_state = "deallocated"
interface_tags = { consul = "server" }

[[resource_group.network_interface]]
name = "spare"
tags = { consul = "server" }
`), join: byTag, same: found("10.0.3.4", "10.0.3.5"),
	},
	{
		name: "a tag value in other letters is another value",
		world: world(`
[[resource_group]]
name = "machines"
subnet = "10.0.3.0/24"

[[resource_group.virtual_machine]]
name = "a"
interface_tags = { consul = "Server" }

[[resource_group.virtual_machine]]
name = "b"
interface_tags = { consul = "server" }
`), join: byTag, same: found("10.0.3.5"),
	},
	{name: "group and set in other letters", world: world(scaleSet(uniform + "instances = 2")), join: "resource_group=CLUSTER vm_scale_set=Servers", same: found("10.0.2.4", "10.0.2.5")},
	{name: "a last page whose link is null", world: world(settings(`last_next_link = "null"`) + tagged), join: byTag, same: found("10.0.3.4", "10.0.3.5", "10.0.3.6")},
	{name: "a last page whose link is empty", world: world(settings(`last_next_link = "empty"`) + tagged), join: byTag, same: found("10.0.3.4", "10.0.3.5", "10.0.3.6")},
	{
		name:  "throttled once, with a time to wait",
		world: world(tagged), faults: []string{"status=429,retry-after=1,times=1,endpoint=arm"}, join: byTag,
		same: found("10.0.3.4", "10.0.3.5", "10.0.3.6"),
	},
	{
		name:  "unavailable once, as a page of HTML",
		world: world(scaleSet(uniform + "instances = 2")), faults: []string{"status=503,body=html,retry-after=1,times=1,endpoint=arm"}, join: bySet,
		same: found("10.0.2.4", "10.0.2.5"),
	},
	{name: "the system identity", world: world(scaleSet(uniform+"instances = 2") + machine("system")), identity: true, join: bySet, same: found("10.0.2.4", "10.0.2.5")},
	{
		name: "one of two user-assigned identities, named by AZURE_CLIENT_ID", world: world(scaleSet(uniform+"instances = 2") + machine("user", "other")), identity: true,
		environment: []string{"AZURE_CLIENT_ID=" + userIdentity}, join: bySet,
		same: found("10.0.2.4", "10.0.2.5"),
	},
	{name: "none of two user-assigned identities is named", world: world(scaleSet(uniform+"instances = 2") + machine("user", "other")), identity: true, join: bySet, same: fails("identit")},
	{name: "no right to read interfaces", world: application(`actions = ["Microsoft.Compute/*/read"]`) + tagged, join: byTag, same: fails("AuthorizationFailed", "Microsoft.Network/networkInterfaces/read")},
	{name: "a wrong secret", world: world(tagged), join: byTag + " secret_access_key=wrong", same: fails("AADSTS7000215")},
	{name: "no such tenant", world: world(tagged), join: byTag + " tenant_id=99999999-9999-4999-8999-999999999999", same: fails("AADSTS90002")},
	{name: "no such application", world: world(tagged), join: byTag + " client_id=99999999-9999-4999-8999-999999999999", same: fails("AADSTS700016")},
	{name: "no such group", world: world(scaleSet(uniform + "instances = 2")), join: "resource_group=elsewhere vm_scale_set=servers", same: fails("ResourceGroupNotFound", "elsewhere")},
	{name: "no such set", world: world(scaleSet(uniform + "instances = 2")), join: "resource_group=cluster vm_scale_set=others", same: fails("others")},
	{name: "no such subscription", world: world(tagged), join: byTag + " subscription_id=99999999-9999-4999-8999-999999999999", same: fails("SubscriptionNotFound")},

	// Where it is wrong.
	{
		name: "three pages", world: world(settings("page_size = 3") + tagged), join: byTag,
		pinned: found("10.0.3.4"), newest: found("10.0.3.4", "10.0.3.5", "10.0.3.6"), ours: found("10.0.3.4", "10.0.3.5", "10.0.3.6"),
		because: "first page only",
	},
	{
		name: "an empty page before the first", world: world(settings("empty_pages = \"before\"") + tagged), join: byTag,
		pinned: fails("no interfaces"), newest: fails("no interfaces"), ours: found("10.0.3.4", "10.0.3.5", "10.0.3.6"),
		because: "empty page",
	},
	{
		name: "an empty page between two", world: world(settings("page_size = 4\nempty_pages = \"between\"") + tagged), join: byTag,
		pinned: found("10.0.3.4", "10.0.3.5"), newest: fails("no interfaces"), ours: found("10.0.3.4", "10.0.3.5", "10.0.3.6"),
		because: "empty page",
	},
	{
		name: "an empty page after the last", world: world(settings("empty_pages = \"after\"") + scaleSet(uniform+"instances = 3")), join: bySet,
		pinned: found("10.0.2.4", "10.0.2.5", "10.0.2.6"), newest: fails("no interfaces"), ours: found("10.0.2.4", "10.0.2.5", "10.0.2.6"),
		because: "empty page",
	},
	{
		name: "instances that are gone and left their interfaces", world: world(scaleSet(uniform + "instances = 2\nphantoms = 2")), join: bySet,
		pinned: found("10.0.2.4", "10.0.2.5", "10.0.2.6", "10.0.2.7"), newest: found("10.0.2.4", "10.0.2.5", "10.0.2.6", "10.0.2.7"), ours: found("10.0.2.4", "10.0.2.5"),
		because: "gone instances",
	},
	{
		name: "a Flexible set that the Uniform listing does not know", world: world(scaleSet("instances = 3")), join: bySet,
		pinned: fails("NotFound"), newest: fails("NotFound"), ours: found("10.0.2.4", "10.0.2.5", "10.0.2.6"),
		because: "Flexible",
	},
	{
		name: "a Flexible set whose Uniform listing is empty", world: world(settings("uniform_listing_of_flexible = \"empty\"") + scaleSet("instances = 3")), join: bySet,
		pinned: fails("no interfaces"), newest: fails("no interfaces"), ours: found("10.0.2.4", "10.0.2.5", "10.0.2.6"),
		because: "Flexible",
	},
	{
		name: "a Flexible set whose Uniform listing is refused", world: world(settings("uniform_listing_of_flexible = \"conflict\"") + scaleSet("instances = 3")), join: bySet,
		pinned: fails("OperationNotAllowed"), newest: fails("OperationNotAllowed"), ours: found("10.0.2.4", "10.0.2.5", "10.0.2.6"),
		because: "Flexible",
	},
	{
		name: "a tag name in other letters",
		world: world(`
[[resource_group]]
name = "machines"
subnet = "10.0.3.0/24"

[[resource_group.virtual_machine]]
name = "a"
interface_tags = { Consul = "server" }

[[resource_group.virtual_machine]]
name = "b"
interface_tags = { consul = "server" }
`), join: byTag,
		pinned: found("10.0.3.5"), newest: found("10.0.3.5"), ours: found("10.0.3.4", "10.0.3.5"),
		because: "tag names without case",
	},
	{
		name: "nothing has the tag", world: world(tagged), join: "tag_name=consul tag_value=client",
		pinned: found(), newest: found(), ours: nothing("client"),
		because: "nothing found",
	},
	{
		name: "a subscription without interfaces", world: world("\n[[resource_group]]\nname = \"empty\"\n"), join: byTag,
		pinned: fails("no interfaces"), newest: fails("no interfaces"), ours: nothing(),
		because: "nothing found",
	},
	{
		name: "a Uniform set without instances", world: world(scaleSet(uniform)), join: bySet,
		pinned: fails("no interfaces"), newest: fails("no interfaces"), ours: nothing("servers"),
		because: "nothing found",
	},
	{
		name: "a link to another host", world: world(settings("page_size = 3") + tagged), join: byTag,
		faults: []string{"next-link,to=https://management.chinacloudapi.cn/subscriptions/" + subscription + "/providers/Microsoft.Network/networkInterfaces,endpoint=arm,times=1"},
		pinned: found("10.0.3.4"), newest: fails(), ours: fails("management.chinacloudapi.cn"),
		because: "links to other hosts",
		after: func(t *testing.T, _, newest, ours cloud.Record) {
			if tokensAt(newest, "management.chinacloudapi.cn") == 0 {
				t.Error("v1.4.0 did not send its token to the other host")
			}
			if tokensAt(ours, "management.chinacloudapi.cn") != 0 {
				t.Error("discover sent its token to another host")
			}
		},
	},
	{
		name: "links in a circle", world: world(tagged), join: byTag, faults: []string{"next-link-loop,endpoint=arm"}, limit: 3 * time.Second,
		pinned: found("10.0.3.4", "10.0.3.5", "10.0.3.6"), newest: hangs(), ours: fails(),
		because: "links in a circle",
		after: func(t *testing.T, _, newest, ours cloud.Record) {
			if newest.Count("arm") < 20 || ours.Count("arm") > 2 {
				t.Errorf("requests to ARM: v1.4.0 %d, discover %d", newest.Count("arm"), ours.Count("arm"))
			}
		},
	},
	{
		name: "a response that never comes", world: world(tagged), join: byTag, faults: []string{"hang,endpoint=arm"}, limit: 5 * time.Second,
		arguments: []string{"--timeout", "2s"},
		pinned:    hangs(), newest: hangs(), ours: fails(),
		because: "no deadline",
	},
	{
		name: "JSON cut short", world: world(tagged), join: byTag, faults: []string{"cut-json,endpoint=arm"},
		same: fails(),
	},
	{
		name: "a body cut short once", world: world(tagged), join: byTag, faults: []string{"cut-body,endpoint=arm,times=1"},
		pinned: fails(), newest: found("10.0.3.4", "10.0.3.5", "10.0.3.6"), ours: found("10.0.3.4", "10.0.3.5", "10.0.3.6"),
		because: "retries",
	},
	{
		name: "a connection reset once", world: world(tagged), join: byTag, faults: []string{"reset,endpoint=arm,times=1"}, limit: 8 * time.Second,
		pinned: hangs(), newest: found("10.0.3.4", "10.0.3.5", "10.0.3.6"), ours: found("10.0.3.4", "10.0.3.5", "10.0.3.6"),
		because: "retries",
	},
	{
		name: "a login that is unavailable once", world: world(tagged), join: byTag, faults: []string{"status=503,retry-after=1,endpoint=authority,operation=token,times=1"},
		pinned: fails("503"), newest: found("10.0.3.4", "10.0.3.5", "10.0.3.6"), ours: found("10.0.3.4", "10.0.3.5", "10.0.3.6"),
		because: "retries",
	},
	{
		name: "a token refused once", world: world(tagged), join: byTag, faults: []string{"unauthorized,endpoint=arm,times=1"},
		pinned: fails("401"), newest: fails("401"), ours: found("10.0.3.4", "10.0.3.5", "10.0.3.6"),
		because: "retries",
	},
	{
		name: "one of two user-assigned identities, named by client_id", world: world(scaleSet(uniform+"instances = 2") + machine("user", "other")), identity: true,
		join:   bySet + " client_id=" + userIdentity,
		pinned: fails("identit"), newest: fails("identit"), ours: found("10.0.2.4", "10.0.2.5"),
		because: "client_id chooses the identity",
	},
	{
		name: "a redirect to another host", world: world(tagged), join: byTag,
		faults: []string{"redirect,to=https://management.chinacloudapi.cn/subscriptions/" + subscription + ",endpoint=arm,times=1"},
		same:   fails(),
	},
}

// tokensAt is how often a token went to a host.
func tokensAt(record cloud.Record, host string) int {
	count := 0
	for _, request := range record.Requests {
		if request.Bearer && request.Host == host {
			count++
		}
	}
	return count
}
