// Command measure runs a command several times, one run after another, and prints what each cost as
// JSON: `measure -runs 10 -- COMMAND ...`.
//
// It is a small process on purpose: Linux counts the peak memory of the process that starts another
// as that other's own, up to the moment of the start. `floor_kib`, the peak of a command that does
// nothing, is the least that can be measured.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

type run struct {
	WallMs  float64 `json:"wall_ms"`
	CPUMs   float64 `json:"cpu_ms"`
	PeakKiB int64   `json:"peak_kib"`
	Exit    int     `json:"exit"`
}

type report struct {
	FloorKiB int64  `json:"floor_kib"`
	Runs     []run  `json:"runs"`
	Stdout   string `json:"stdout"`
}

func main() {
	runs := flag.Int("runs", 1, "how often")
	flag.Parse()
	var made report
	made.FloorKiB = once(nil, "/bin/true").PeakKiB
	for range *runs {
		// Every run prints the same; the last is kept as a proof that it did what it should.
		out, err := os.CreateTemp("", "measure-")
		if err != nil {
			fail(err)
		}
		made.Runs = append(made.Runs, once(out, flag.Args()...))
		text, err := os.ReadFile(out.Name())
		if err != nil {
			fail(err)
		}
		made.Stdout = string(text)
		_ = out.Close()
		_ = os.Remove(out.Name())
	}
	if err := json.NewEncoder(os.Stdout).Encode(made); err != nil {
		fail(err)
	}
}

func once(stdout *os.File, words ...string) run {
	command := exec.Command(words[0], words[1:]...)
	if stdout != nil {
		command.Stdout = stdout
	}
	start := time.Now()
	err := command.Run()
	wall := time.Since(start)
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		fail(err)
	}
	usage := command.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return run{milliseconds(wall), milliseconds(cpu), usage.Maxrss, command.ProcessState.ExitCode()}
}

func milliseconds(time time.Duration) float64 { return float64(time.Microseconds()) / 1000 }

func fail(err error) {
	fmt.Fprintln(os.Stderr, "measure:", err)
	os.Exit(1)
}
