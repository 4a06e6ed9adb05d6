package peers

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cloud-autojoin/peers/program"
)

// providerCases are the join strings of one provider.
type providerCases struct {
	provider string
	// exchanges are its cloud's responses; none if the cases need none.
	exchanges []exchange
	cases     []joinCase
}

// joinCase is one join string, and what each program makes of it.
type joinCase struct {
	// join is the join string without `provider=NAME`.
	join        string
	environment []string

	// valid is a string that builds, whose addresses are compared on an independent server (standins).
	valid bool
	// same is for both; the others are for one.
	same       *outcome
	peer, ours *outcome
	// because names the difference, from the table.
	because string
}

// gives is a string with which both find these addresses.
func gives(join string, addresses ...string) joinCase {
	return joinCase{join: join, same: found(addresses...)}
}

// builds is a string that is only parsed and built.
func builds(join string) joinCase { return joinCase{join: join, valid: true} }

// refused is a string that both refuse, each in its own words.
func refused(join, peer, ours string) joinCase {
	return joinCase{join: join, peer: fails(peer), ours: fails(ours)}
}

// differs is a string that is taken otherwise on purpose.
func differs(join, because string, peer, ours *outcome) joinCase {
	return joinCase{join: join, because: because, peer: peer, ours: ours}
}

// nobody is a string that matches nothing.
func matchesNothing(join string) joinCase { return differs(join, "nothing found", found(), nothing()) }

func (c joinCase) with(environment ...string) joinCase {
	c.environment = environment
	return c
}

// malformed are strings that no provider gets to see, for any provider.
func malformed() []joinCase {
	return []joinCase{
		refused("a=1 a=2", "duplicate key", "duplicate key"),
		refused("a=\"b", "unbalanced quotes", "unbalanced quotes"),
		refused("a", "missing '='", "missing '='"),
	}
}

// exchange is one response of a cloud, as the scripts of the simulator have it.
type exchange struct {
	method, host, path string
	query, headers     map[string]string
	// has is a part of the request's body.
	has          string
	status       int
	replyHeaders map[string]string
	reply        any
}

// script writes exchanges in the simulator's TOML.
func script(t *testing.T, exchanges []exchange) string {
	t.Helper()
	var text strings.Builder
	table := func(name string, values map[string]string) {
		if len(values) == 0 {
			return
		}
		var pairs []string
		for key, value := range values {
			pairs = append(pairs, fmt.Sprintf("%q = %q", key, value))
		}
		slices.Sort(pairs)
		fmt.Fprintf(&text, "%s = { %s }\n", name, strings.Join(pairs, ", "))
	}
	for _, one := range exchanges {
		fmt.Fprintf(&text, "[[exchange]]\nhost = %q\npath = %q\n", one.host, one.path)
		if one.method != "" {
			fmt.Fprintf(&text, "method = %q\n", one.method)
		}
		if one.status != 0 {
			fmt.Fprintf(&text, "status = %d\n", one.status)
		}
		table("query", one.query)
		table("request_headers", one.headers)
		table("response_headers", one.replyHeaders)
		if one.has != "" {
			fmt.Fprintf(&text, "request_body_has = %q\n", one.has)
		}
		if one.reply != nil {
			body, err := json.Marshal(one.reply)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&text, "body = %q\n", strings.ReplaceAll(string(body), "\\u0026", "&"))
		}
	}
	path := filepath.Join(t.TempDir(), "script.toml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve starts the simulator with a script, and returns the environment that leads programs to it.
func serve(t *testing.T, path string) []string {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready.json")
	command := exec.Command(program.Simulator.Path(), "scripted", "--ready-file", ready, path)
	var complaints strings.Builder
	command.Stderr = &complaints
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGINT)
		command.Wait()
	})
	var endpoints struct {
		Proxy string `json:"proxy"`
		CA    string `json:"ca_file"`
	}
	for range 1000 {
		if text, err := os.ReadFile(ready); err == nil && json.Unmarshal(text, &endpoints) == nil {
			return []string{"HTTPS_PROXY=" + endpoints.Proxy, "HTTP_PROXY=" + endpoints.Proxy, "SSL_CERT_FILE=" + endpoints.CA}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the simulator doesn't start: %s", &complaints)
	return nil
}

func TestProviders(t *testing.T) {
	t.Parallel()
	for _, one := range allProviderCases {
		t.Run(one.provider, func(t *testing.T) {
			t.Parallel()
			one.run(t)
		})
	}
}

func (p providerCases) run(t *testing.T) {
	const least = 12
	if len(p.cases) < least {
		t.Errorf("%d join strings; at least %d", len(p.cases), least)
	}
	environment := serve(t, script(t, append(p.exchanges, exchange{host: "none.invalid", path: "/"})))
	for i, one := range p.cases {
		t.Run(fmt.Sprintf("%d", i+1), func(t *testing.T) {
			t.Parallel()
			one.run(t, "provider="+p.provider+" "+one.join, environment)
		})
	}
}

func (c joinCase) run(t *testing.T, join string, environment []string) {
	t.Logf("discover addrs '%s'", join)
	environment = append(slices.Clone(environment), c.environment...)
	if c.valid {
		if got := program.Ours.Run(environment, "check", "--", join); got.Exit != 0 {
			t.Errorf("%s: %v", program.Ours.Name, got)
		}
		return
	}
	peer, ours := c.outcomes()
	if differs := peer.exit != ours.exit || !slices.Equal(peer.addresses, ours.addresses); differs != (c.because != "") {
		t.Fatal("a difference has a reason, and only a difference has one")
	}
	if c.because != "" {
		because(t, c.because)
	}
	peer.check(t, program.Newest, program.Newest.Run(environment, "addrs", join))
	ours.check(t, program.Ours, program.Ours.Run(environment, "addrs", join))
}

// outcomes are those of go-discover and ours, with their addresses in the order that `check`
// compares.
func (c joinCase) outcomes() (peer, ours *outcome) {
	of := func(own *outcome) *outcome {
		if own == nil {
			own = c.same
		}
		sorted := *own
		sorted.addresses = slices.Sorted(slices.Values(own.addresses))
		return &sorted
	}
	return of(c.peer), of(c.ours)
}

// Every string of the table is read the same by both.
func TestProvidersParse(t *testing.T) {
	t.Parallel()
	var inputs []string
	for _, one := range allProviderCases {
		for _, c := range one.cases {
			inputs = append(inputs, "provider="+one.provider+" "+c.join)
		}
	}
	peer, ours := peerJudges(t, program.NewestParser, inputs), weJudge(t, inputs)
	for i, input := range inputs {
		if !peer[i].equal(ours[i]) {
			t.Errorf("%q\n  go-discover: %v\n  discover:    %v", input, peer[i], ours[i])
		}
	}
	t.Logf("%d join strings of %d providers", len(inputs), len(allProviderCases))
}
