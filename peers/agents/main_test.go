// Package agents runs real Consul agents and the sidecar together. `check` is the way in.
package agents

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	discover    = os.Getenv("DISCOVER")
	discoverSim = os.Getenv("DISCOVER_SIM")
	consul      = os.Getenv("CONSUL")
	units       = os.Getenv("UNITS")

	wanted   = flag.String("scenarios", "", "parts of the names of those to run; all by default")
	parallel = flag.Int("at-a-time", 3, "so many scenarios run at a time")
)

// A machine that is busy misses a limit by chance: a scenario has so many attempts to keep it.
const attempts = 3

// run is a scenario in a network.
type run struct {
	scenario
	network string
	open    func(number int) (network, error)
}

// unavailable is the exit status where this machine can't run any scenario.
const unavailable = 69

// An agent of this machine may listen on Consul's ports of every address.
func requirePorts() {
	for _, port := range []int{8300, 8301, 8302, 8500} {
		listener, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", newLoopback(0).address(1), port))
		if err != nil {
			fmt.Printf("peers/agents: skipped: a port of Consul can't be used: %v\n", err)
			os.Exit(unavailable)
		}
		listener.Close()
	}
}

func runs() (chosen []run) {
	inNamespaces := os.Getuid() == 0
	if inNamespaces {
		probe, err := newNamespaces(0)
		if err == nil {
			probe.end()
		} else {
			fmt.Printf("peers/agents: skipped: network namespaces: %v\n", err)
			inNamespaces = false
		}
	} else {
		fmt.Println("peers/agents: skipped: addresses that swallow packets, which needs root and network namespaces")
	}
	for _, scenario := range scenarios {
		words := strings.Fields(*wanted)
		is := len(words) == 0
		for _, word := range words {
			is = is || strings.Contains(scenario.name, word)
		}
		if !is {
			continue
		}
		if scenario.swallows && inNamespaces {
			chosen = append(chosen, run{scenario, "swallow", newNamespaces})
		}
		if !scenario.swallows || !strings.HasSuffix(scenario.name, "swallow") {
			chosen = append(chosen, run{scenario, "loopback", func(number int) (network, error) { return newLoopback(number), nil }})
		}
	}
	return chosen
}

// attempt runs it once, in a directory of its own.
func (r run) attempt(number int) (figures []figure, err error) {
	directory, err := os.MkdirTemp("", "agents-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if kept := os.Getenv("KEEP"); kept != "" {
			_ = os.Rename(directory, filepath.Join(kept, fmt.Sprintf("%s-%d", r.name, number)))
		}
		_ = os.RemoveAll(directory)
	}()
	network, err := r.open(number)
	if err != nil {
		return nil, err
	}
	rig := newRig(network, directory)
	defer rig.end()
	defer func() {
		if caught := recover(); caught != nil {
			given, ok := caught.(givenUp)
			if !ok {
				panic(caught)
			}
			err = fmt.Errorf("%w\n%s", given.error, tail(directory))
		}
	}()
	r.run(rig)
	return rig.figures, nil
}

func TestAgents(t *testing.T) {
	for _, program := range []string{discover, discoverSim, consul} {
		if _, err := os.Stat(program); err != nil {
			t.Fatalf("start this by peers/agents/check: %v", err)
		}
	}
	requirePorts()
	var numbers struct {
		sync.Mutex
		last int
	}
	var pool sync.WaitGroup
	places := make(chan struct{}, *parallel)
	fmt.Printf("%-40s %-9s %-34s %8s %8s\n", "scenario", "network", "figure", "seconds", "limit")
	started := time.Now()
	for _, run := range runs() {
		places <- struct{}{}
		pool.Go(func() {
			defer func() { <-places }()
			for attempt := 1; ; attempt++ {
				numbers.Lock()
				numbers.last++
				number := numbers.last
				numbers.Unlock()
				figures, err := run.attempt(number)
				within := err == nil
				for _, figure := range figures {
					within = within && (figure.limit == 0 || figure.took <= figure.limit)
				}
				if !within && attempt < attempts {
					fmt.Printf("%-40s %-9s again, attempt %d: %v %v\n", run.name, run.network, attempt+1, figures, err)
					continue
				}
				for _, figure := range figures {
					limit := "-"
					if figure.limit != 0 {
						limit = fmt.Sprintf("%.1f", figure.limit.Seconds())
					}
					fmt.Printf("%-40s %-9s %-34s %8.1f %8s\n", run.name, run.network, figure.name, figure.took.Seconds(), limit)
				}
				if !within {
					t.Errorf("%s (%s) missed its limit %d times: %v", run.name, run.network, attempts, err)
				}
				return
			}
		})
	}
	pool.Wait()
	fmt.Printf("peers/agents: %.0f s\n", time.Since(started).Seconds())
}
