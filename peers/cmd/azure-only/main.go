// Command azure-only is go-discover's Azure provider and nothing else: `azure-only KEY=VALUE ...`.
// It shows what the peer costs without the fourteen providers that its own command carries along.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/hashicorp/go-discover/provider/azure"
)

func main() {
	values := map[string]string{}
	for _, argument := range os.Args[1:] {
		key, value, _ := strings.Cut(argument, "=")
		values[key] = value
	}
	addresses, err := (&azure.Provider{}).Addrs(values, log.New(io.Discard, "", 0))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Join(addresses, " "))
}
