package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cloud-autojoin/peers/cloud"
	"cloud-autojoin/peers/program"
)

// Call is what one program did in one world, the median of all runs.
type Call struct {
	Case      string `json:"case"`
	Size      int    `json:"size"`
	LatencyMs int    `json:"latency_ms"`
	Program   string `json:"program"`
	Exit      int    `json:"exit"`
	// Right is whether it printed the addresses that the world has, and no others.
	Right      bool    `json:"right"`
	WallMs     float64 `json:"wall_ms"`
	CPUMs      float64 `json:"cpu_ms"`
	PeakMiB    float64 `json:"peak_mib"`
	Requests   float64 `json:"requests"`
	RoundTrips float64 `json:"round_trips"`
	Bytes      int     `json:"bytes"`
}

type measuredCase struct {
	name     string
	size     int
	world    string
	join     string
	identity bool
	// found is how many addresses there are to find.
	found int
	// ours is more of the join string that go-discover does not know.
	ours string
	// slow is a case that leaves out go-discover's Azure provider alone: it differs from the whole by
	// a constant.
	slow bool
}

const header = `
tenant_id = "11111111-1111-4111-8111-111111111111"
subscription_id = "22222222-2222-4222-8222-222222222222"

[[principal]]
name = "discover"
client_id = "33333333-3333-4333-8333-333333333333"
object_id = "33333333-aaaa-4333-8333-333333333333"
client_secret = "example-secret-of-discover"

[[principal]]
name = "system"
kind = "system-identity"
client_id = "66666666-6666-4666-8666-666666666666"
object_id = "66666666-aaaa-4666-8666-666666666666"

[[resource_group]]
name = "cluster"
subnet = "10.0.0.0/8"
`

func scaleSet(mode string, size int) string {
	return header + fmt.Sprintf("\n[[resource_group.scale_set]]\nname = \"servers\"\norchestration_mode = %q\ninstances = %d\n", mode, size)
}

func tagged(size int) string {
	const servers = 5
	return header + fmt.Sprintf("unrelated_interfaces = %d\n\n[[resource_group.virtual_machine]]\nname = \"consul\"\ncount = %d\ninterface_tags = { consul = \"server\" }\n", size-servers, servers)
}

const onMachine = "\n[machine]\nresource_group = \"cluster\"\nscale_set = \"servers\"\ninstance = 0\nidentities = [\"system\"]\n"

func cases() []measuredCase {
	const bySet, byTag = "resource_group=cluster vm_scale_set=servers", "tag_name=consul tag_value=server"
	all := []measuredCase{
		{name: "Uniform set", size: 3, world: scaleSet("uniform", 3), join: bySet, found: 3},
		{name: "Uniform set, managed identity", size: 3, world: scaleSet("uniform", 3) + onMachine, join: bySet, identity: true, found: 3},
		{name: "Uniform set", size: 1000, world: scaleSet("uniform", 1000), join: bySet, found: 1000},
		{name: "Flexible set", size: 3, world: scaleSet("flexible", 3), join: bySet, found: 3},
		{name: "Flexible set", size: 1000, world: scaleSet("flexible", 1000), join: bySet, found: 1000},
	}
	for _, size := range []int{1000, 10_000, 100_000} {
		all = append(all,
			measuredCase{name: "5 by tag", size: size, world: tagged(size), join: byTag, found: 5, slow: size > 10_000},
			measuredCase{name: "5 by tag, lookup=index", size: size, world: tagged(size), join: byTag, ours: " lookup=index", found: 5},
		)
	}
	return all
}

func measureCalls(only string, runs int) ([]Call, error) {
	var calls []Call
	for _, one := range cases() {
		if !strings.Contains(one.name, only) {
			continue
		}
		for _, latency := range []int{0, 50} {
			for _, p := range one.programs() {
				call, err := one.measure(p, latency, runs)
				if err != nil {
					return nil, fmt.Errorf("%s of %d, %s: %w", one.name, one.size, p.Name, err)
				}
				fmt.Fprintf(os.Stderr, "figures: %s of %d at %d ms, %s: %.1f ms, CPU %.1f ms, %.1f MiB, %g requests, %g round trips, %d bytes, exit %d\n",
					call.Case, call.Size, latency, p.Name, call.WallMs, call.CPUMs, call.PeakMiB, call.Requests, call.RoundTrips, call.Bytes, call.Exit)
				calls = append(calls, call)
			}
		}
	}
	return calls, nil
}

func (c measuredCase) programs() []program.Program {
	switch {
	case c.ours != "":
		return []program.Program{program.Ours}
	case c.slow:
		return []program.Program{program.Pinned, program.Newest, program.Ours}
	default:
		return []program.Program{program.Pinned, program.Newest, program.AzureOnly, program.Ours}
	}
}

// measured is what `measure` prints.
type measured struct {
	Runs   []start `json:"runs"`
	Stdout string  `json:"stdout"`
}

// start is one run of one program.
type start struct {
	WallMs  float64 `json:"wall_ms"`
	CPUMs   float64 `json:"cpu_ms"`
	PeakKiB float64 `json:"peak_kib"`
	Exit    int     `json:"exit"`
}

// measure runs one program once, so that the simulator has written its pages, and then `runs`
// times.
func (c measuredCase) measure(p program.Program, latency, runs int) (Call, error) {
	directory, err := os.MkdirTemp("", "figures-")
	if err != nil {
		return Call{}, err
	}
	defer os.RemoveAll(directory)
	world, record := filepath.Join(directory, "world.toml"), filepath.Join(directory, "record.json")
	if err := os.WriteFile(world, []byte(c.world), 0o600); err != nil {
		return Call{}, err
	}
	words := []string{program.Measure.Path(), "-runs", fmt.Sprint(runs + 1), "--", p.Path()}
	join := strings.Fields("provider=azure subscription_id=22222222-2222-4222-8222-222222222222 " + c.join)
	switch p {
	case program.AzureOnly:
		words = append(words, join...)
	case program.Ours:
		words = append(append(append(words, "-q", "addrs"), join...), strings.Fields(c.ours)...)
	default:
		words = append(append(words, "-q", "addrs"), join...)
	}
	cloud := cloud.Cloud{World: world, Latency: time.Duration(latency) * time.Millisecond, Credentials: !c.identity, Limit: time.Hour}
	result := cloud.Simulate(record, words...)
	if result.Exit != 0 {
		return Call{}, fmt.Errorf("%v", result)
	}
	var made measured
	if err := json.Unmarshal([]byte(result.Stdout), &made); err != nil {
		return Call{}, err
	}
	seen, err := readRecord(record)
	if err != nil {
		return Call{}, err
	}
	per := func(total int) float64 { return float64(total) / float64(runs+1) }
	addresses := strings.Fields(made.Stdout)
	slices.Sort(addresses)
	call := Call{
		Case: c.name, Size: c.size, LatencyMs: latency, Program: p.Name, Exit: made.Runs[0].Exit,
		Right:    made.Runs[0].Exit == 0 && len(slices.Compact(addresses)) == c.found,
		Requests: per(len(seen.Requests)), RoundTrips: per(seen.Depth), Bytes: int(per(seen.Bytes)),
	}
	var wall, cpu, peak []float64
	for _, run := range made.Runs[1:] {
		wall, cpu, peak = append(wall, run.WallMs), append(cpu, run.CPUMs), append(peak, run.PeakKiB/1024)
	}
	call.WallMs, call.CPUMs, call.PeakMiB = median(wall), median(cpu), median(peak)
	return call, nil
}

func readRecord(path string) (cloud.Record, error) {
	var record cloud.Record
	text, err := os.ReadFile(path)
	if err != nil {
		return record, err
	}
	return record, json.Unmarshal(text, &record)
}

func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
