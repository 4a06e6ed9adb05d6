package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"cloud-autojoin/peers/program"
)

// Program is what a binary is and costs before it does anything.
type Program struct {
	Name     string  `json:"name"`
	StartMs  float64 `json:"start_ms"`
	StartCPU float64 `json:"start_cpu_ms"`
	StartMiB float64 `json:"start_mib"`
	MiB      float64 `json:"stripped_mib"`
	// Dependencies are the modules or crates that are compiled in, its own not counted.
	Dependencies int `json:"dependencies"`
	// BuildCPU is the processor time of a build from an empty cache, with everything downloaded
	// before, in seconds. The time by the clock would tell how busy the machine was.
	BuildCPU float64 `json:"build_cpu_s"`
}

const peerCommand = "github.com/hashicorp/go-discover/cmd/discover"

func measurePrograms(runs int) ([]Program, error) {
	peers := filepath.Join(program.Root(), "peers")
	type how struct {
		program program.Program
		list    []string
		build   []string
	}
	modules := `{{with .Module}}{{.Path}}{{end}}`
	all := []how{
		{program.Pinned, words("go list -modfile=v1.3.0.mod -deps -f", modules, peerCommand), words("go build -trimpath -modfile=v1.3.0.mod -o", os.DevNull, peerCommand)},
		{program.Newest, words("go list -deps -f", modules, peerCommand), words("go build -trimpath -o", os.DevNull, peerCommand)},
		{program.AzureOnly, words("go list -deps -f", modules, "./cmd/azure-only"), words("go build -trimpath -o", os.DevNull, "./cmd/azure-only")},
		{program.Ours, words("cargo tree --offline --package discover --edges normal --prefix none --format", "{p}"), words("cargo build --offline --quiet --profile dist --package discover")},
	}
	// In turn, so that a busy moment meets all of them.
	starts := make([][]start, len(all))
	for range runs + 1 {
		for i, one := range all {
			begun, err := startOf(one.program)
			if err != nil {
				return nil, err
			}
			starts[i] = append(starts[i], begun)
		}
	}
	var made []Program
	for i, one := range all {
		middle := func(of func(start) float64) float64 {
			var values []float64
			for _, start := range starts[i][1:] {
				values = append(values, of(start))
			}
			return median(values)
		}
		p := Program{Name: one.program.Name}
		p.StartMs = middle(func(s start) float64 { return s.WallMs })
		p.StartCPU = middle(func(s start) float64 { return s.CPUMs })
		p.StartMiB = middle(func(s start) float64 { return s.PeakKiB / 1024 })
		var err error
		if p.MiB, err = stripped(one.program.Path()); err != nil {
			return nil, err
		}
		if p.Dependencies, err = dependencies(peers, one.list); err != nil {
			return nil, err
		}
		if p.BuildCPU, err = cleanBuild(peers, one.build); err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "figures: %+v\n", p)
		made = append(made, p)
	}
	return made, nil
}

// startOf starts a program that has nothing to do. go-discover has no `--version` and fails, after
// all that it does at every start.
func startOf(p program.Program) (start, error) {
	text, err := exec.Command(program.Measure.Path(), "-runs", "1", "--", p.Path(), "--version").Output()
	if err != nil {
		return start{}, fmt.Errorf("%s: %w", p.Name, err)
	}
	var made measured
	if err := json.Unmarshal(text, &made); err != nil {
		return start{}, err
	}
	return made.Runs[0], nil
}

// words cuts the first text at its blanks.
func words(line string, more ...string) []string { return append(strings.Fields(line), more...) }

// stripped is the size of a binary without symbols, in MiB.
func stripped(path string) (float64, error) {
	directory, err := os.MkdirTemp("", "figures-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(directory)
	copied := filepath.Join(directory, "stripped")
	if out, err := exec.Command("strip", "-o", copied, path).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("strip %s: %w: %s", path, err, out)
	}
	about, err := os.Stat(copied)
	if err != nil {
		return 0, err
	}
	return float64(about.Size()) / (1 << 20), nil
}

// dependencies counts what a listing names, without the projects' own parts.
func dependencies(directory string, list []string) (int, error) {
	command := exec.Command(list[0], list[1:]...)
	command.Dir = directory
	out, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", strings.Join(list, " "), err)
	}
	lines := strings.Split(string(out), "\n")
	slices.Sort(lines)
	count := 0
	for _, line := range slices.Compact(lines) {
		line = strings.TrimSuffix(line, " (*)")
		// A path in brackets is a crate of this workspace.
		own := strings.Contains(line, "(/") || strings.Contains(line, "cloud-autojoin") || strings.HasPrefix(line, "github.com/hashicorp/go-discover")
		if line != "" && !own {
			count++
		}
	}
	return count, nil
}

// cleanBuild is the processor time of a build that finds nothing built, in seconds.
func cleanBuild(directory string, build []string) (float64, error) {
	empty, err := os.MkdirTemp("", "figures-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(empty)
	command := exec.Command(build[0], build[1:]...)
	command.Dir = directory
	command.Env = append(os.Environ(), "GOCACHE="+empty, "CARGO_TARGET_DIR="+empty, "GOPROXY=off")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w", strings.Join(build, " "), err)
	}
	return (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds(), nil
}

func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores, %s, %s", runtime.NumCPU(), model, runtime.GOOS)
}

func tools() string {
	version := func(name string, arguments ...string) string {
		out, err := exec.Command(name, arguments...).Output()
		if err != nil {
			return name
		}
		return strings.Join(strings.Fields(string(out))[:2], " ")
	}
	return fmt.Sprintf("%s, %s", runtime.Version(), version("rustc", "--version"))
}
