// Package cloud runs programs in a simulated Azure, behind a proxy, as they would run in the real
// one: unchanged, with HTTPS_PROXY and SSL_CERT_FILE.
package cloud

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cloud-autojoin/peers/program"
)

// Cloud is what a program meets.
type Cloud struct {
	// World is a world that comes with the simulator, or a file.
	World string
	// Faults break responses, in the simulator's syntax: `status=429,retry-after=1,times=1`.
	Faults []string
	// Latency is how long every response takes.
	Latency time.Duration
	// Credentials puts the secret of the world's first application into the environment; without it
	// there is the machine's identity, if the world has a machine.
	Credentials bool
	// Environment holds more variables.
	Environment []string
	// Limit is how long the program may take, when that is not program.Limit.
	Limit time.Duration
}

// Record has the requests that the cloud received.
type Record struct {
	Requests []Request `json:"requests"`
	Depth    int       `json:"sequential_depth_of_all"`
	Bytes    int       `json:"bytes"`
}

// Request is one of them.
type Request struct {
	Endpoint  string `json:"endpoint"`
	Operation string `json:"operation"`
	Expected  bool   `json:"expected"`
	Host      string `json:"host"`
	Path      string `json:"path"`
	Query     string `json:"query"`
	Bearer    bool   `json:"bearer"`
	Status    int    `json:"status"`
	Principal string `json:"principal"`
}

// Count is how many requests went to an endpoint: `arm`, `authority`, `metadata`, or `proxy` for
// hosts that are none of Azure's.
func (r Record) Count(endpoint string) int {
	count := 0
	for _, request := range r.Requests {
		if request.Endpoint == endpoint {
			count++
		}
	}
	return count
}

// Run runs a program in the cloud to its end.
func (c Cloud) Run(t testing.TB, p program.Program, arguments ...string) (program.Result, Record) {
	t.Helper()
	return c.RunWords(t, append([]string{p.Path()}, arguments...)...)
}

// RunWords runs any command line in the cloud to its end.
func (c Cloud) RunWords(t testing.TB, words ...string) (program.Result, Record) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "record.json")
	result := c.Simulate(file, words...)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("the simulator left no record: %v; %v", err, result)
	}
	var record Record
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	return result, record
}

// Simulate runs a command line in the cloud and writes the record into a file.
func (c Cloud) Simulate(record string, command ...string) program.Result {
	arguments := []string{"run", "--quiet", "--world", c.World, "--record", record}
	if c.Latency > 0 {
		arguments = append(arguments, "--latency", c.Latency.String())
	}
	for _, fault := range c.Faults {
		arguments = append(arguments, "--fault", fault)
	}
	if c.Credentials {
		arguments = append(arguments, "--credentials")
	}
	limit := c.Limit
	if limit == 0 {
		limit = program.Limit
	}
	return program.Simulator.Within(limit, c.Environment, append(append(arguments, "--"), command...)...)
}
