// Command discover-k8s is go-discover's command with its k8s provider, which its own command leaves
// out: `discover-k8s [-q] addrs KEY=VALUE ...`.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/hashicorp/go-discover"
	"github.com/hashicorp/go-discover/provider/k8s"
)

func main() {
	logger := log.New(os.Stderr, "", 0)
	arguments := os.Args[1:]
	if len(arguments) > 0 && arguments[0] == "-q" {
		arguments = arguments[1:]
		logger.SetOutput(io.Discard)
	}
	if len(arguments) < 2 || arguments[0] != "addrs" {
		fmt.Fprintln(os.Stderr, "usage: discover-k8s [-q] addrs KEY=VALUE ...")
		os.Exit(2)
	}
	providers := map[string]discover.Provider{"k8s": &k8s.Provider{}}
	command, err := discover.New(discover.WithProviders(providers))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	addresses, err := command.Addrs(strings.Join(arguments[1:], " "), logger)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(addresses, " "))
}
