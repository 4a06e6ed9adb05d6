package peers

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud-autojoin/peers/cloud"
	"cloud-autojoin/peers/program"
)

// answerCase is one world, one join string, and what each program makes of them.
type scenario struct {
	name string
	// world is the simulator's TOML.
	world  string
	faults []string
	// join is the join string but for `provider=azure`.
	join string
	// environment is added; it is the application's ARM_* variables unless `identity` is set.
	environment []string
	identity    bool
	arguments   []string
	limit       time.Duration

	// What the programs do. `same` is for all three; the others stand where they differ.
	same                 *outcome
	pinned, newest, ours *outcome
	// because names the difference, from the table.
	because string
	// after looks at what was asked.
	after func(t *testing.T, pinned, newest, ours cloud.Record)
}

// outcome is how a program ends.
type outcome struct {
	exit int
	// addresses are compared as a set: go-discover prints them in the order of the reply, perhaps more
	// than once.
	addresses []string
	// says is what standard error contains, in any case of letters.
	contains []string
}

func found(addresses ...string) *outcome { return &outcome{addresses: addresses} }

func fails(contains ...string) *outcome { return &outcome{exit: 1, contains: contains} }

// nothing is ours: the cloud answered, and nothing matched.
func nothing(contains ...string) *outcome { return &outcome{exit: 3, contains: contains} }

func hangs() *outcome { return &outcome{exit: program.Killed} }

func (want *outcome) check(t *testing.T, who program.Program, got program.Result) {
	t.Helper()
	var complaints []string
	if got.Exit != want.exit {
		complaints = append(complaints, fmt.Sprintf("exit code: want %d", want.exit))
	}
	addresses := strings.Fields(got.Stdout)
	slices.Sort(addresses)
	if !slices.Equal(slices.Compact(addresses), want.addresses) {
		complaints = append(complaints, fmt.Sprintf("addresses: want %v", want.addresses))
	}
	for _, words := range want.contains {
		if !strings.Contains(strings.ToLower(got.Stderr), strings.ToLower(words)) {
			complaints = append(complaints, fmt.Sprintf("standard error: want %q in it", words))
		}
	}
	if complaints != nil {
		t.Errorf("%s: %s\n  got %v", who.Name, strings.Join(complaints, "; "), got)
	}
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, one := range scenarios {
		t.Run(strings.ReplaceAll(one.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			one.run(t)
		})
	}
}

func (c scenario) run(t *testing.T) {
	fixture := cloud.Cloud{World: file(t, c.world), Faults: c.faults, Credentials: !c.identity, Environment: c.environment, Limit: c.limit}
	arguments := append([]string{"addrs"}, c.arguments...)
	join := "provider=azure " + c.join
	if c.identity {
		join += " subscription_id=" + subscription
	}
	wants := [3]*outcome{c.pinned, c.newest, c.ours}
	for i, want := range wants {
		if want == nil {
			wants[i] = c.same
		}
	}
	if differs := c.pinned != nil || c.newest != nil || c.ours != nil; differs != (c.because != "") {
		t.Fatal("a difference has a reason, and only a difference has one")
	}
	if c.because != "" {
		because(t, c.because)
	}
	pinned, pinnedRecord := fixture.Run(t, program.Pinned, "addrs", join)
	wants[0].check(t, program.Pinned, pinned)
	newest, newestRecord := fixture.Run(t, program.Newest, "addrs", join)
	wants[1].check(t, program.Newest, newest)
	ours, oursRecord := fixture.Run(t, program.Ours, append(arguments, join)...)
	wants[2].check(t, program.Ours, ours)
	if !slices.IsSortedFunc(strings.Fields(ours.Stdout), byAddress) {
		t.Errorf("not sorted: %s", ours.Stdout)
	}
	if c.after != nil {
		c.after(t, pinnedRecord, newestRecord, oursRecord)
	}
}

func byAddress(a, b string) int {
	return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b))
}
