package peers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cloud-autojoin/peers/joinstring"
	"cloud-autojoin/peers/program"
)

var (
	count = flag.Int("strings", 120_000, "how many strings to generate")
	seed  = flag.Uint64("seed", 20260610, "what the generator starts from")
)

// judgement is what a parser makes of a string.
type judgement struct {
	Values map[string]string `json:"values"`
	Error  *string           `json:"error"`
	// NotUTF8 is whether the peer's map or error text holds bytes that are not UTF-8.
	NotUTF8 bool `json:"not_utf8"`
}

func (j judgement) equal(other judgement) bool {
	if (j.Error == nil) != (other.Error == nil) {
		return false
	}
	if j.Error != nil {
		return *j.Error == *other.Error
	}
	return maps.Equal(j.Values, other.Values)
}

func (j judgement) String() string {
	if j.Error != nil {
		return fmt.Sprintf("error %q", *j.Error)
	}
	return fmt.Sprintf("%q", j.Values)
}

// Every string that go-discover reads is read the same here, and every one that it refuses is
// refused with the same words.
func TestStringsGiveTheSameMapOrTheSameErrorText(t *testing.T) {
	t.Parallel()
	inputs := joinstring.Generate(*seed, *count)
	pinned, newest, ours := peerJudges(t, program.PinnedParser, inputs), peerJudges(t, program.NewestParser, inputs), weJudge(t, inputs)

	accepted, refused, onPurpose, failures := 0, map[string]int{}, map[string]int{}, 0
	for i, input := range inputs {
		if !pinned[i].equal(newest[i]) {
			t.Errorf("%q: v1.3.0 gives %v, v1.4.0 gives %v", input, pinned[i], newest[i])
		}
		peer := newest[i]
		if peer.Error == nil {
			accepted++
		} else {
			refused[kind(*peer.Error)]++
		}
		if peer.equal(ours[i]) && !peer.NotUTF8 {
			continue
		}
		if name := intended(input, ours[i]); name != "" {
			onPurpose[name]++
			continue
		}
		if failures++; failures <= 20 {
			t.Errorf("%q\n  go-discover: %v\n  discover:    %v", input, peer, ours[i])
		}
	}
	if failures > 20 {
		t.Errorf("and %d more", failures-20)
	}
	for name := range stringDifferences {
		if onPurpose[name] == 0 {
			t.Errorf("no string shows the difference %q any more: take it out of the table", name)
		}
	}
	t.Logf("%d strings from seed %d: %d accepted, refused by kind %v, different on purpose %v", len(inputs), *seed, accepted, refused, onPurpose)
	// A generator that went astray would make this test meaningless.
	if accepted < len(inputs)/10 {
		t.Errorf("only %d of %d strings are accepted", accepted, len(inputs))
	}
	for _, text := range []string{"duplicate key", "error with key=value pair", "equals in key's value", "missing '='", "missing value", "unbalanced quotes", "unterminated escape sequence", "invalid syntax"} {
		if refused[text] < len(inputs)/2000 {
			t.Errorf("only %d strings are refused with %q", refused[text], text)
		}
	}
}

// kind is the part of an error text that does not come from the string.
func kind(text string) string {
	kinds := []string{"error with key=value pair", "duplicate key", "equals in key's value", "missing '='", "missing value", "unbalanced quotes", "unterminated escape sequence", "invalid syntax"}
	for _, kind := range kinds {
		if strings.Contains(text, kind) {
			return kind
		}
	}
	return text
}

// stringDifferences are how strings show the differences of the table that have to do with them.
var stringDifferences = map[string]func(input string, ours judgement) bool{
	"escapes that are not UTF-8": func(input string, ours judgement) bool {
		return strings.ContainsRune(input, '\\') && ours.Error != nil && strings.Contains(*ours.Error, "the escapes give bytes that aren't UTF-8")
	},
}

func intended(input string, ours judgement) string {
	for name, shown := range stringDifferences {
		if shown(input, ours) {
			return name
		}
	}
	return ""
}

func peerJudges(t *testing.T, parser program.Program, inputs []string) []judgement {
	t.Helper()
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, input := range inputs {
		if err := encoder.Encode(input); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command(parser.Path())
	command.Stdin = &lines
	return judgements(t, command, len(inputs))
}

// weJudge goes through the command: standard input for strings on one line, arguments for the
// others.
func weJudge(t *testing.T, inputs []string) []judgement {
	t.Helper()
	const perCall = 500
	var single, several []int
	for i, input := range inputs {
		if strings.Contains(input, "\n") {
			several = append(several, i)
		} else {
			single = append(single, i)
		}
	}
	all := make([]judgement, len(inputs))
	fill := func(places []int, judged []judgement) {
		for i, place := range places {
			all[place] = judged[i]
		}
	}
	var lines strings.Builder
	for _, i := range single {
		lines.WriteString(inputs[i])
		lines.WriteByte('\n')
	}
	command := exec.Command(program.Ours.Path(), "check", "--output", "json", "-")
	command.Stdin = strings.NewReader(lines.String())
	fill(single, judgements(t, command, len(single)))
	for len(several) > 0 {
		now := several[:min(perCall, len(several))]
		several = several[len(now):]
		arguments := []string{"check", "--output", "json", "--"}
		for _, i := range now {
			// White space before a string means nothing; an `@` there would mean a file.
			arguments = append(arguments, " "+inputs[i])
		}
		fill(now, judgements(t, exec.Command(program.Ours.Path(), arguments...), len(now)))
	}
	return all
}

func judgements(t *testing.T, command *exec.Cmd, want int) []judgement {
	t.Helper()
	command.Env = []string{}
	command.Stderr = os.Stderr
	// A string that is wrong makes the exit code 1; what counts is one result for each.
	out, err := command.Output()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	all := make([]judgement, 0, want)
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var one judgement
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatalf("%s: %v in %q", command.Path, err, lines.Text())
		}
		all = append(all, one)
	}
	if len(all) != want {
		t.Fatalf("%s judged %d of %d strings", command.Path, len(all), want)
	}
	return all
}
