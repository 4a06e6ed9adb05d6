// Command parse reads one JSON string a line and prints what go-discover's parser makes of each:
// {"values":{...},"error":null} or {"values":null,"error":"..."}.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"unicode/utf8"

	discover "github.com/hashicorp/go-discover"
)

type response struct {
	Values map[string]string `json:"values"`
	Error  *string           `json:"error"`
	// JSON has no bytes that are not UTF-8, so they are marked.
	NotUTF8 bool `json:"not_utf8,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	responses := json.NewEncoder(out)
	for lines.Scan() {
		var input string
		if err := json.Unmarshal(lines.Bytes(), &input); err != nil {
			log.Fatal(err)
		}
		var a response
		values, err := discover.Parse(input)
		if err != nil {
			text := err.Error()
			a.Error = &text
			a.NotUTF8 = !utf8.ValidString(text)
		}
		for key, value := range values {
			a.NotUTF8 = a.NotUTF8 || !utf8.ValidString(key) || !utf8.ValidString(value)
		}
		a.Values = values
		if err := responses.Encode(a); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
