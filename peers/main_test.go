// Package peers compares this project with the programs whose place it takes, by running both.
// `run` is the way in.
package peers

import (
	"flag"
	"os"
	"testing"

	"cloud-autojoin/peers/alone"
)

func TestMain(m *testing.M) {
	flag.Parse()
	alone.Enter()
	os.Exit(m.Run())
}
