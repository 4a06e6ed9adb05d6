package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	tenant       = "11111111-1111-4111-8111-111111111111"
	subscription = "22222222-2222-4222-8222-222222222222"
	client       = "33333333-3333-4333-8333-333333333333"
	secret       = "example-secret-of-discover"
	// The identities that a machine can have.
	systemIdentity = "66666666-6666-4666-8666-666666666666"
	userIdentity   = "44444444-4444-4444-8444-444444444444"
	otherIdentity  = "55555555-5555-4555-8555-555555555555"
)

// world is a subscription with one application in it that may read everything, and with `body` in
// addition, in the simulator's TOML.
func world(body string) string {
	return application(`actions = ["*/read"]`) + body
}

// application is a subscription whose one application has the permissions `rights`, in TOML.
func application(rights string) string {
	return fmt.Sprintf(`
tenant_id = %q
subscription_id = %q

[[principal]]
name = "discover"
client_id = %q
object_id = "33333333-aaaa-4333-8333-333333333333"
client_secret = %q
%s

`, tenant, subscription, client, secret, rights)
}

// machine puts the program on the first instance of the scale set `servers`, which has the
// identities named: `system`, `user`, `other`.
func machine(identities ...string) string {
	user := func(name, client string) string {
		return fmt.Sprintf(`
[[principal]]
name = %q
kind = "user-assigned-identity"
client_id = %q
object_id = "aaaaaaaa%s"
resource_id = "/subscriptions/%s/resourceGroups/cluster/providers/Microsoft.ManagedIdentity/userAssignedIdentities/%s"
`, name, client, client[8:], subscription, name)
	}
	return user("user", userIdentity) + user("other", otherIdentity) + fmt.Sprintf(`
[[principal]]
name = "system"
kind = "system-identity"
client_id = %q
object_id = "66666666-aaaa-4666-8666-666666666666"

[machine]
resource_group = "cluster"
scale_set = "servers"
instance = 0
identities = ["%s"]
`, systemIdentity, strings.Join(identities, `", "`))
}

// scaleSet is the group `cluster` with the scale set `servers`; `more` has the number of instances
// and the mode.
func scaleSet(more string) string {
	return `
[[resource_group]]
name = "cluster"
subnet = "10.0.2.0/24"

[[resource_group.scale_set]]
name = "servers"
` + more
}

// tagged is three machines whose interfaces have the tag, among four that have not.
const tagged = `
[[resource_group]]
name = "machines"
subnet = "10.0.3.0/24"
unrelated_interfaces = 4

[[resource_group.virtual_machine]]
name = "consul"
count = 3
interface_tags = { consul = "server" }
`

const (
	byTag = "tag_name=consul tag_value=server"
	bySet = "resource_group=cluster vm_scale_set=servers"
)

// file writes a world where the simulator reads it.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "world.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
