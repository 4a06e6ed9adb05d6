package peers

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cloud-autojoin/peers/cloud"
	"cloud-autojoin/peers/program"
)

// execCase is an `exec=` line as in a Nomad or consul-dataplane configuration: go-netaddrs cuts it
// at blanks, without quotes.
type execCase struct {
	name string
	// line is what follows `exec=discover `; FILE is replaced by a file that holds `file`.
	line, file string
	world      string
	identity   bool
	addresses  []string
	// error is what follows go-netaddrs' own words.
	error string
}

var execCases = []execCase{
	{name: "a file", line: "-q addrs @FILE", file: "# The servers.\nprovider=azure\ntag_name=consul\ntag_value=server\n", world: tagged, addresses: words(three)},
	{name: "a file whose values have blanks", line: "-q addrs @FILE", file: "provider=azure tag_name=consul tag_value=\"server one\"", world: blanks, addresses: words(three)},
	{name: "a string", line: "-q addrs provider=azure " + byTag, world: tagged, addresses: words(three)},
	{name: "a string without q", line: "addrs provider=azure " + byTag, world: tagged, addresses: words(three)},
	{name: "a Flexible set", line: "-q addrs provider=azure " + bySet, world: scaleSet("instances = 3"), addresses: words("10.0.2.4 10.0.2.5 10.0.2.6")},
	{name: "IPv6", line: "-q addrs provider=azure " + bySet, world: scaleSet("instances = 2\nipv6 = \"address\""), addresses: words("10.0.2.4 10.0.2.5 fd00::4 fd00::5")},
	{
		name: "the machine's identity", line: "-q addrs provider=azure subscription_id=" + subscription + " " + bySet, world: scaleSet("instances = 2") + machine("system"), identity: true,
		addresses: words("10.0.2.4 10.0.2.5"),
	},
	{name: "nothing found", line: "-q addrs provider=azure tag_name=consul tag_value=client", world: tagged, error: "exit code 3: discover: "},
	{name: "a wrong secret", line: "-q addrs provider=azure secret_access_key=wrong " + byTag, world: tagged, error: "exit code 1: discover: "},
	{name: "a string that does not parse", line: "-q addrs provider=azure tag_name", world: tagged, error: "exit code 1: discover: "},
	{name: "a file that is not there", line: "-q addrs @/nonexistent/servers", world: tagged, error: "exit code 1: discover: "},
	{name: "a flag that is not there", line: "-q addrs --frobnicate", world: tagged, error: "exit code 2: discover: "},
}

// The real go-netaddrs takes what is printed, and its error quotes the one line with the reason.
func TestExec(t *testing.T) {
	t.Parallel()
	for _, one := range execCases {
		t.Run(strings.ReplaceAll(one.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			one.run(t)
		})
	}
}

func (c execCase) run(t *testing.T) {
	arguments := c.line
	if c.file != "" {
		path := filepath.Join(t.TempDir(), "servers.join")
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = strings.ReplaceAll(arguments, "FILE", path)
	}
	seen := cloud.Cloud{World: file(t, world(c.world)), Credentials: !c.identity}
	got, _ := seen.Run(t, program.Netaddrs, "-q", "ip", "exec="+program.Ours.Path()+" "+arguments)
	if c.error == "" {
		addresses := strings.Fields(got.Stdout)
		if got.Exit != 0 || !slices.Equal(addresses, c.addresses) {
			t.Errorf("want %v, got %v", c.addresses, got)
		}
		for _, address := range addresses {
			if _, err := netip.ParseAddr(address); err != nil {
				t.Error(err)
			}
		}
		return
	}
	// With `-q` go-netaddrs' own command keeps its error to itself; without it, it prints what the
	// agents log.
	got, _ = seen.Run(t, program.Netaddrs, "ip", "exec="+program.Ours.Path()+" "+arguments)
	direct, _ := seen.Run(t, program.Ours, strings.Fields(arguments)...)
	quoted, line := anyRequest.ReplaceAllString(got.Stderr, "request id"), anyRequest.ReplaceAllString(strings.TrimSpace(direct.Stderr), "request id")
	if strings.Count(direct.Stderr, "\n") != 1 || direct.Stdout != "" {
		t.Errorf("want one line of error and no output, got %v", direct)
	}
	if got.Exit == 0 || !strings.Contains(got.Stderr, "executable failed with "+c.error) || !strings.Contains(quoted, line) {
		t.Errorf("want %q and %q in the error, got %v", c.error, line, got)
	}
}

// anyRequest is the id that the cloud gives to a request, another one each time.
var anyRequest = regexp.MustCompile("request id [0-9a-f-]{36}")
