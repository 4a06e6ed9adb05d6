// Command figures measures what a call costs, here and with go-discover, and writes the data, the
// tables and the picture in `benches/`.
//
//	figures            measures everything, some twenty minutes
//	figures -only X    measures the cases whose name contains X, and prints without writing
//	figures -programs  measures the programs alone, and keeps what is known of the calls
//	figures -draw      makes tables and picture again from the data
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cloud-autojoin/peers/alone"
	"cloud-autojoin/peers/program"
)

// Data is all that was measured, as `benches/figures.json` holds it.
type Data struct {
	Date     string    `json:"date"`
	Machine  string    `json:"machine"`
	Tools    string    `json:"tools"`
	Runs     int       `json:"runs"`
	Calls    []Call    `json:"calls"`
	Programs []Program `json:"programs"`
}

func main() {
	only := flag.String("only", "", "measure the cases whose name contains this, and write nothing")
	draw := flag.Bool("draw", false, "make tables and picture again from the data")
	programs := flag.Bool("programs", false, "measure the programs alone")
	runs := flag.Int("runs", 10, "how often each call is measured, after one that is not")
	flag.Parse()
	if !*draw {
		// Everything is built before, so nothing here needs a network.
		alone.Enter()
		if err := measureAll(*only, *programs, *runs); err != nil {
			fail(err)
		}
		if *only != "" {
			return
		}
	}
	if err := publish(); err != nil {
		fail(err)
	}
}

func measureAll(only string, programs bool, runs int) error {
	data := Data{Date: time.Now().UTC().Format(time.DateOnly), Machine: machine(), Tools: tools(), Runs: runs}
	var err error
	if programs {
		if data, err = load(); err != nil {
			return err
		}
	} else if data.Calls, err = measureCalls(only, runs); err != nil {
		return err
	}
	if only != "" {
		fmt.Print(tables(data))
		return nil
	}
	// The programs take as long again.
	if err := save(data); err != nil {
		return err
	}
	if data.Programs, err = measurePrograms(runs); err != nil {
		return err
	}
	return save(data)
}

func load() (Data, error) {
	var data Data
	text, err := os.ReadFile(bench("figures.json"))
	if err != nil {
		return data, err
	}
	return data, json.Unmarshal(text, &data)
}

func bench(name string) string { return filepath.Join(program.Root(), "benches", name) }

func save(data Data) error {
	text, err := json.MarshalIndent(data, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(bench("figures.json"), append(text, '\n'), 0o644)
}

const (
	begin = "<!-- figures: written by `peers/run figures` -->"
	end   = "<!-- end of figures -->"
)

// publish writes tables and picture from the data.
func publish() error {
	data, err := load()
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(bench("README.md"))
	if err != nil {
		return err
	}
	before, rest, opened := strings.Cut(string(readme), begin)
	_, after, closed := strings.Cut(rest, end)
	if !opened || !closed {
		return fmt.Errorf("benches/README.md has no place for the figures: %q ... %q", begin, end)
	}
	if err := os.WriteFile(bench("README.md"), []byte(before+begin+"\n\n"+tables(data)+"\n"+end+after), 0o644); err != nil {
		return err
	}
	return os.WriteFile(bench("figures.svg"), []byte(picture(data)), 0o644)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "figures:", err)
	os.Exit(1)
}
