// Command speed runs discover and go-discover against the same server, which has 5 and 5,000
// instances and takes 50 ms for every response, and prints what each cost as a table: `speed
// -discover PATH -go-discover PATH -discover-k8s PATH -measure PATH [-runs 5]`.
//
// The responses are made here, after the references of the APIs, so that both programs read the
// same bytes; what they mean is compared on independent servers by the scripts in ../../standins.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const latencyMs = 50

// program is one of the two that are compared.
type program struct{ name, path string }

type cost struct{ wallMs, cpuMs, peakMiB float64 }

func main() {
	runs := flag.Int("runs", 5, "how often each call is made")
	ours := flag.String("discover", "", "this project's command")
	peer := flag.String("go-discover", "", "go-discover's command")
	peerK8s := flag.String("discover-k8s", "", "the one with its k8s provider")
	measure := flag.String("measure", "", "the command that measures")
	flag.Parse()
	directory, err := os.MkdirTemp("", "speed-")
	check(err)
	defer os.RemoveAll(directory)

	fmt.Printf("\n%s; %d cores, %s. Medians of %d runs after one that isn't counted.\n\n", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(), *runs)
	fmt.Printf("| provider | instances | | wall at %d ms | CPU | peak memory | requests |\n|---|--:|---|--:|--:|--:|--:|\n", latencyMs)
	for _, cloud := range clouds {
		for _, size := range []int{5, 5000} {
			server := start(cloud, size)
			join, environment := cloud.join(server, directory)
			theirs := program{"go-discover v1.4.0", *peer}
			if cloud.name == "k8s" {
				theirs.path = *peerK8s
			}
			before := run(*measure, *runs, theirs, join, environment, size)
			seen := server.taken() / (*runs + 1)
			after := run(*measure, *runs, program{"discover", *ours}, join, environment, size)
			fmt.Printf("| %s | %s | %s | %.0f ms | %.0f ms | %.1f MiB | %d |\n", cloud.name, thousands(size), theirs.name,
				before.wallMs, before.cpuMs, before.peakMiB, seen)
			fmt.Printf("| | | **discover** | %.0f ms (%.2f) | %.0f ms (%.2f) | %.1f MiB (%.2f) | %d |\n",
				after.wallMs, after.wallMs/before.wallMs, after.cpuMs, after.cpuMs/before.cpuMs,
				after.peakMiB, after.peakMiB/before.peakMiB, server.taken()/(*runs+1))
			server.close()
		}
	}
	fmt.Println()
}

// run measures a call: the medians of its runs, after one that is not counted. It ends the program
// where a call doesn't find every instance.
func run(measure string, runs int, of program, join string, environment []string, size int) cost {
	arguments := []string{"-runs", fmt.Sprint(runs + 1), "--", of.path, "-q", "addrs", join}
	command := exec.Command(measure, arguments...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, environment...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	check(err)
	var report struct {
		Runs []struct {
			WallMs  float64 `json:"wall_ms"`
			CPUMs   float64 `json:"cpu_ms"`
			PeakKiB float64 `json:"peak_kib"`
			Exit    int     `json:"exit"`
		} `json:"runs"`
		Stdout string `json:"stdout"`
	}
	check(json.Unmarshal(output, &report))
	if found := len(strings.Fields(report.Stdout)); found != size {
		check(fmt.Errorf("%s found %d of %d: %s", of.name, found, size, join))
	}
	counted := report.Runs[1:]
	median := func(figure func(int) float64) float64 {
		var figures []float64
		for number := range counted {
			figures = append(figures, figure(number))
		}
		slices.Sort(figures)
		return figures[len(figures)/2]
	}
	return cost{
		median(func(number int) float64 { return counted[number].WallMs }),
		median(func(number int) float64 { return counted[number].CPUMs }),
		median(func(number int) float64 { return counted[number].PeakKiB / 1024 }),
	}
}

func thousands(number int) string {
	if number < 1000 {
		return fmt.Sprint(number)
	}
	return fmt.Sprintf("%d,%03d", number/1000, number%1000)
}

func write(directory, name, text string) string {
	path := filepath.Join(directory, name)
	check(os.WriteFile(path, []byte(text), 0o600))
	return path
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
}
