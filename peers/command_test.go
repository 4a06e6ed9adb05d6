package peers

import (
	"fmt"
	"strings"
	"testing"

	"cloud-autojoin/peers/cloud"
	"cloud-autojoin/peers/program"
)

// commandCase is one argument vector, and what each program makes of it.
type commandCase struct {
	name      string
	arguments []string
	// world is the simulator's TOML; none when no request may be made.
	world string
	// identity leaves the application's ARM_* variables out of the environment.
	identity bool
	// full gives it a standard output that takes nothing.
	full bool

	// same is for both; the others are set where they differ, and then `because` names the difference.
	same       *ending
	peer, ours *ending
	because    string
}

// ending is how a command ends.
type ending struct {
	exit int
	// stdout is all of standard output, unless `stdoutHas` has what is in it.
	stdout    string
	stdoutHas []string
	// stderrHas is what is in standard error, in any case of letters. What else is there isn't
	// compared, unless `quiet`.
	stderrHas []string
	// quiet is a standard error with nothing in it, or with this many lines.
	quiet      bool
	errorLines int
}

func (want *ending) check(t *testing.T, who program.Program, got program.Result) {
	t.Helper()
	var complaints []string
	complain := func(format string, values ...any) { complaints = append(complaints, fmt.Sprintf(format, values...)) }
	if got.Exit != want.exit {
		complain("exit code: want %d", want.exit)
	}
	if want.stdoutHas == nil && got.Stdout != want.stdout {
		complain("standard output: want %q", want.stdout)
	}
	for _, words := range want.stdoutHas {
		if !strings.Contains(got.Stdout, words) {
			complain("standard output: want %q in it", words)
		}
	}
	for _, words := range want.stderrHas {
		if !strings.Contains(strings.ToLower(got.Stderr), strings.ToLower(words)) {
			complain("standard error: want %q in it", words)
		}
	}
	if lines := strings.Count(got.Stderr, "\n"); want.quiet && lines != want.errorLines {
		complain("standard error: want %d lines", want.errorLines)
	}
	if complaints != nil {
		t.Errorf("%s: %s\n  got %v", who.Name, strings.Join(complaints, "; "), got)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	if least := 60; len(commandCases) < least {
		t.Errorf("%d argument vectors; at least %d", len(commandCases), least)
	}
	for _, one := range commandCases {
		t.Run(strings.ReplaceAll(one.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			one.run(t)
		})
	}
}

func (c commandCase) run(t *testing.T) {
	if (c.same == nil) != (c.because != "") {
		t.Fatal("a difference has a reason, and only a difference has one")
	}
	if c.because != "" {
		because(t, c.because)
	}
	seen := cloud.Cloud{World: file(t, world(c.world)), Credentials: !c.identity}
	run := func(p program.Program) program.Result {
		words := append([]string{p.Path()}, c.arguments...)
		if c.full {
			words = append([]string{"/bin/sh", "-c", `exec "$@" >/dev/full`, "sh"}, words...)
		}
		result, record := seen.RunWords(t, words...)
		if c.world == "" && len(record.Requests) > 0 {
			t.Errorf("%s sent requests to the cloud: %v", p.Name, record.Requests)
		}
		return result
	}
	for _, peer := range []program.Program{program.Pinned, program.Newest} {
		either(c.peer, c.same).check(t, peer, run(peer))
	}
	either(c.ours, c.same).check(t, program.Ours, run(program.Ours))
}

func either(one, other *ending) *ending {
	if one != nil {
		return one
	}
	return other
}
