package main

import (
	"fmt"
	"math"
	"strings"

	"cloud-autojoin/peers/program"
)

// tables is the part of the README that is made from the data.
func tables(data Data) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s; %s; %s. Medians of %d runs after one that is not counted. In brackets: this project's figure as a part of go-discover v1.4.0's.\n", data.Date, data.Machine, data.Tools, data.Runs)
	if len(data.Programs) > 0 {
		text.WriteString("\n### The programs\n\n| | start (`--version`) | its CPU | its peak memory | binary, stripped | modules or crates in it | clean build, CPU |\n|---|--:|--:|--:|--:|--:|--:|\n")
		newest := named(data.Programs, program.Newest.Name)
		for _, p := range data.Programs {
			part := func(of func(Program) float64) string {
				if p.Name != program.Ours.Name {
					return ""
				}
				return ratio(of(p), of(newest))
			}
			fmt.Fprintf(&text, "| %s | %s ms%s | %s ms%s | %s MiB%s | %s MiB%s | %d%s | %s |\n", bold(p.Name),
				number(p.StartMs), part(func(p Program) float64 { return p.StartMs }),
				number(p.StartCPU), part(func(p Program) float64 { return p.StartCPU }),
				number(p.StartMiB), part(func(p Program) float64 { return p.StartMiB }),
				number(p.MiB), part(func(p Program) float64 { return p.MiB }),
				p.Dependencies, part(func(p Program) float64 { return float64(p.Dependencies) }),
				seconds(p.BuildCPU))
		}
	}
	text.WriteString(goals(data))
	for _, latency := range []int{0, 50} {
		fmt.Fprintf(&text, "\n### A call, when every response takes %d ms\n\n| | of | | wall | CPU | peak memory | requests | round trips | bytes |\n|---|--:|---|--:|--:|--:|--:|--:|--:|\n", latency)
		last := ""
		for _, call := range data.Calls {
			if call.LatencyMs != latency {
				continue
			}
			name, size := call.Case, thousands(call.Size)
			if last == name+size {
				name, size = "", ""
			} else {
				last = name + size
			}
			peer, _ := find(data.Calls, baseCase(call.Case), call.Size, latency, program.Newest.Name)
			// Without latency, requests that are sent in parallel may be served one after another.
			slow, _ := find(data.Calls, call.Case, call.Size, 50, call.Program)
			part := func(of func(Call) float64) string {
				if call.Program != program.Ours.Name || !peer.Right {
					return ""
				}
				return ratio(of(call), of(peer))
			}
			fmt.Fprintf(&text, "| %s | %s | %s%s | %s ms%s | %s ms%s | %s MiB%s | %s | %s | %s |\n", name, size, bold(call.Program), verdict(call),
				number(call.WallMs), part(func(c Call) float64 { return c.WallMs }),
				number(call.CPUMs), part(func(c Call) float64 { return c.CPUMs }),
				number(call.PeakMiB), part(func(c Call) float64 { return c.PeakMiB }),
				number(call.Requests), number(slow.RoundTrips), thousands(call.Bytes))
		}
	}
	return text.String()
}

// baseCase is the case that go-discover has figures for.
func baseCase(name string) string { return strings.TrimSuffix(name, ", lookup=index") }

func verdict(call Call) string {
	switch {
	case call.Right:
		return ""
	case call.Exit != 0:
		return ": fails"
	default:
		return ": some of them"
	}
}

func find(calls []Call, name string, size, latency int, program string) (Call, bool) {
	for _, call := range calls {
		if call.Case == name && call.Size == size && call.LatencyMs == latency && call.Program == program {
			return call, true
		}
	}
	return Call{}, false
}

func named(programs []Program, name string) Program {
	for _, p := range programs {
		if p.Name == name {
			return p
		}
	}
	return Program{}
}

func bold(name string) string {
	if name == program.Ours.Name {
		return "**" + name + "**"
	}
	return name
}

func ratio(ours, peers float64) string {
	if peers == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.2g)", ours/peers)
}

// number has three digits that count.
func number(value float64) string {
	switch {
	case value >= 100:
		return thousands(int(value + 0.5))
	case value >= 10 || value == float64(int(value)):
		return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0")
	default:
		return fmt.Sprintf("%.2f", value)
	}
}

func seconds(value float64) string {
	if value == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f s", value)
}

func thousands(value int) string {
	text := fmt.Sprint(value)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// goals compares with the goals: the best and the worst figure of the calls for which go-discover
// v1.4.0 has the right result.
func goals(data Data) string {
	var text strings.Builder
	text.WriteString("\n### Against the goals\n\n| | goal | best | worst | |\n|---|--:|--:|--:|---|\n")
	row := func(name string, goal float64, ratios map[string]float64) {
		best, worst, where := math.Inf(1), 0.0, ""
		for label, ratio := range ratios {
			best = min(best, ratio)
			if ratio > worst {
				worst, where = ratio, label
			}
		}
		if len(ratios) == 0 {
			return
		}
		verdict := "met"
		if worst > goal {
			verdict = "missed: " + where
		}
		fmt.Fprintf(&text, "| %s | %.2g | %.2g | %.2g | %s |\n", name, goal, best, worst, verdict)
	}
	calls := func(latency, size int, of func(Call) float64) map[string]float64 {
		ratios := map[string]float64{}
		for _, call := range data.Calls {
			peer, _ := find(data.Calls, call.Case, call.Size, call.LatencyMs, program.Newest.Name)
			if call.Program == program.Ours.Name && peer.Right && (latency < 0 || call.LatencyMs == latency) && (size == 0 || call.Size == size) {
				label := fmt.Sprintf("%s of %s at %d ms", call.Case, thousands(call.Size), call.LatencyMs)
				// What cannot be helped by being quick.
				if latency > 0 {
					label += fmt.Sprintf(", in %s round trips where go-discover takes %s", number(call.RoundTrips), number(peer.RoundTrips))
				}
				ratios[label] = of(call) / of(peer)
			}
		}
		return ratios
	}
	programs := func(of func(Program) float64) map[string]float64 {
		if len(data.Programs) == 0 {
			return nil
		}
		ratio := of(named(data.Programs, program.Ours.Name)) / of(named(data.Programs, program.Newest.Name))
		return map[string]float64{fmt.Sprintf("%.2g", ratio): ratio}
	}
	row("wall time at 50 ms", 0.5, calls(50, 0, func(c Call) float64 { return c.WallMs }))
	row("CPU time, 10,000 interfaces", 0.1, calls(-1, 10_000, func(c Call) float64 { return c.CPUMs }))
	row("peak memory", 0.5, calls(-1, 0, func(c Call) float64 { return c.PeakMiB }))
	row("start (`--version`)", 0.2, programs(func(p Program) float64 { return p.StartMs }))
	row("CPU of the start", 0.2, programs(func(p Program) float64 { return p.StartCPU }))
	row("binary, stripped", 0.2, programs(func(p Program) float64 { return p.MiB }))
	small, _ := find(data.Calls, "5 by tag, lookup=index", 1000, 50, program.Ours.Name)
	large, found := find(data.Calls, "5 by tag, lookup=index", 100_000, 50, program.Ours.Name)
	if found {
		fmt.Fprintf(&text, "| requests with `lookup=index`, 100,000 interfaces against 1,000 | 1 | | %.2g | %s |\n", large.Requests/small.Requests, map[bool]string{true: "met", false: "missed"}[large.Requests <= small.Requests])
	}
	return text.String()
}
