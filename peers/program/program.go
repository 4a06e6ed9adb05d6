// Package program runs the programs that are compared, each with an environment that holds nothing
// but what a test puts into it.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Limit is how long one run may take before it is killed. The peer has no deadline of its own, and
// some worlds would keep it for ever.
const Limit = 20 * time.Second

// Killed is the exit code of a run that did not end by itself.
const Killed = -1

// Program is a binary under comparison.
type Program struct {
	// Name identifies it in failures and tables.
	Name string
	path string
}

// The programs, as `run` builds them. DISCOVER names another binary of this project, such as the
// one that is shipped.
var (
	Ours      = Program{"discover", fromEnvironment("DISCOVER", "target/debug/discover")}
	Pinned    = Program{"go-discover v1.3.0", built("v1.3.0/discover")}
	Newest    = Program{"go-discover v1.4.0", built("newest/discover")}
	AzureOnly = Program{"go-discover v1.4.0, Azure provider alone", built("newest/azure-only")}
	Netaddrs  = Program{"go-netaddrs v0.1.0", built("newest/netaddrs")}

	// The parser alone, by which many strings are judged in one process.
	PinnedParser = Program{"go-discover v1.3.0, Parse", built("v1.3.0/parse")}
	NewestParser = Program{"go-discover v1.4.0, Parse", built("newest/parse")}

	// Measure runs another program and reports what it cost.
	Measure = Program{"measure", built("newest/measure")}
	// Simulator is the simulated cloud.
	Simulator = Program{"discover-sim", fromEnvironment("DISCOVER_SIM", "target/debug/discover-sim")}
)

// Root is the top of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	if !filepath.IsAbs(file) {
		// Built with -trimpath: the programs are started from within `peers`.
		directory, err := os.Getwd()
		if err != nil {
			panic(err)
		}
		for filepath.Base(directory) != "peers" {
			directory = filepath.Dir(directory)
		}
		return filepath.Dir(directory)
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

func built(name string) string { return filepath.Join(Root(), "target/peers", name) }

func fromEnvironment(variable, otherwise string) string {
	if path := os.Getenv(variable); path != "" {
		return path
	}
	return filepath.Join(Root(), otherwise)
}

// Path is the file that is run.
func (p Program) Path() string { return p.path }

// Result is how a run ended.
type Result struct {
	Stdout string
	Stderr string
	// Exit is the exit code, or Killed.
	Exit int
}

func (r Result) String() string {
	return fmt.Sprintf("exit %d\n  stdout: %s\n  stderr: %s", r.Exit, quoted(r.Stdout), quoted(r.Stderr))
}

func quoted(text string) string {
	const longest = 1200
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	return fmt.Sprintf("%q", text)
}

// Run runs the program to its end with this environment and these arguments.
func (p Program) Run(environment []string, arguments ...string) Result {
	return p.Within(Limit, environment, arguments...)
}

// Within is Run with another limit.
func (p Program) Within(limit time.Duration, environment []string, arguments ...string) Result {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, p.path, arguments...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, environment...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	// The simulator ends its child and still writes its record.
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 5 * time.Second
	err := command.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		result.Exit = Killed
	case err == nil:
	case errors.As(err, &ended):
		result.Exit = ended.ExitCode()
	default:
		panic(fmt.Sprintf("%s: %v (`peers/run` builds what is compared)", p.Name, err))
	}
	return result
}
