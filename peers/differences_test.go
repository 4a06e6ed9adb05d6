package peers

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var write = flag.Bool("write", false, "write differences.md anew")

// difference is something that is done otherwise on purpose.
type difference struct {
	name, peer, ours, reason string
}

// differences are all of them. Each is shown by a case that runs both programs, and no case differs
// without one.
var differences = []difference{
	{"first page only", "v1.3.0 reads the first page of a list and takes it for the whole", "reads all pages", "a cluster whose servers are on the second page does not form"},
	{"empty page", "an empty page makes everything found before it, or behind it, \"no interfaces\"", "goes on with the next page", "Azure sends empty pages that have a link"},
	{"gone instances", "prints the addresses of instances that are gone and have left their interfaces in the set's list", "leaves them out", "an agent waits for each such address until it times out"},
	{"Flexible", "fails for sets of the Flexible mode, with one of three errors", "finds the instances by their machines", "Flexible is what Azure makes by default"},
	{"tag names without case", "compares names of tags letter by letter", "compares them without case, and values with it", "so does Azure"},
	{"nothing found", "prints an empty line and exits with 0; or fails, when there was no resources", "prints nothing, reports what was examined, and exits with 3", "a script takes 0 for success, and an agent waits for servers that were never searched for"},
	{"links to other hosts", "v1.4.0 follows a next link to any host and sends its token along", "refuses the link", "the token reads the whole subscription"},
	{"links in a circle", "v1.4.0 requests for ever", "fails at the first repetition", "the agent hangs, and uses up the subscription's quota"},
	{"no deadline", "waits for a response for ever", "ends after `--timeout`, 60 s by default", "Nomad and consul-dataplane set no limit of their own"},
	{"retries", "v1.3.0 does not repeat a body that was cut short or a login that failed, and waits 30 s after a reset; neither version takes a fresh token when one was refused", "repeats within seconds, and takes a fresh token once", "all four pass by themselves"},
	{"client_id chooses the identity", "takes `client_id` for a part of a client secret, and leaves it aside without one", "takes `client_id` without a secret for the user-assigned identity that is meant", "machines in Flexible sets have user-assigned identities, often more than one"},
	{"help is help", "prints help on standard error for `-help`, and takes `-h=false`", "prints help on standard output however it is requested", "help that was requested is no error, and can be paged"},
	{"wrong words", "prints its help and exits with 0 for any word that is not `addrs`", "names the word and exits with 2", "a script takes the help text for addresses"},
	{"more words", "knows `addrs` alone", "knows `check`, `providers` and others", "they are what go-discover leaves to the operator"},
	{"more flags", "knows `-q` and `-h`", "knows `--version`, `-v` and others", "`discover --help` lists them"},
	{"flags after the word", "takes everything behind `addrs` for the join string", "takes words behind `addrs` that start with `-` and hold no `=` sign for flags", "no key starts with `-`"},
	{"providers", "has no `hetzner`, `oracle`, `consul`, `dns` or `exec`, and no `k8s` in its command", "has them, and lists what it knows when it is given another", "users need them"},
	{"words of errors", "has one error for every selection that is not clear", "names the keys that are missing or too many", "the reader wants to know what to write"},
	{"errors do not quote the string", "quotes the part that does not parse", "names the pair", "the part is often a piece of a secret that was not quoted; `check --output json` gives go-discover's words"},
	{"bytes that are no text", "replaces bytes that are not UTF-8", "refuses them", "it would request a name that was never written"},
	{"escapes that are not UTF-8", "keeps escapes that spell bytes which are no text (`\"\\xff\"`)", "refuses them", "no key of any provider takes such bytes"},
	{"arguments stay whole", "joins its arguments with blanks and reads the result: quotes that the shell took are gone", "reads it the same way; where that fails, an argument `KEY=VALUE` is one pair whatever the value holds", "secrets end with `=`, and names hold blanks"},
	{"files", "has no way to read a string from a file", "reads it from `@FILE`", "secrets do not belong into arguments, and go-netaddrs cannot quote"},
	{"unknown keys", "ignores keys that it does not know", "warns, with the nearest known key; `--strict` fails", "a misspelt key finds something else, or everything"},
	{"log", "logs to standard error unless `-q`", "logs nothing of a success unless `-v`", "what is there is worth reading"},
	{"q keeps the error", "prints nothing at all with `-q`, not even the error", "prints the error on one line", "go-netaddrs quotes standard error, and an operator has nothing else"},
	{"first page of a cloud", "`aliyun` returns the first 10 instances, and `tencentcloud` the first 20", "all instances", "a cluster whose servers are on the second page does not form"},
	{"required keys", "sends an empty tag, which some clouds take for all of the account", "names the key that is missing", "a machine that isn't meant would be joined"},
	{"credentials of the environment", "reads the credential of some providers from the join string only", "also from the variables of the cloud's own tools, and from the machine's role", "secrets do not belong into arguments"},
	{"lists", "takes a comma as a part of a name", "takes tags, regions and zones as lists", "a cluster may span regions"},
	{"new resources", "fails or prints an empty address when a machine has no private address yet", "leaves it out with the reason", "one machine that is being created does not hide the others"},
	{"words of keys", "takes any unknown `address_type` of `linode` as `private_v4`", "has more words, and refuses unknown ones", "a misspelt word gives addresses that were not requested"},
	{"zones of today", "`scaleway` knows the regions `par1` and `ams1` of a service that Scaleway left in 2020", "takes every zone", "most zones are newer"},
	{"empty values as filters", "`softlayer` without `datacenter` finds nothing", "looks in all datacenters", "the filter of an empty name matches none"},
	{"packet", "still requests `api.packet.net`", "reports that the service ended on 2026-06-30", "there is nothing to find any more"},
	{"standard output", "exits with 0 when its output could not be written", "fails", "an empty file is no list of servers"},
}

// because marks a case that shows a difference.
func because(t *testing.T, name string) {
	t.Helper()
	for _, one := range differences {
		if one.name == name {
			return
		}
	}
	t.Errorf("no difference is called %q", name)
}

// shownBy are the cases that show a difference.
func shownBy(name string) []string {
	var cases []string
	for _, one := range scenarios {
		if one.because == name {
			cases = append(cases, one.name)
		}
	}
	for _, one := range commandCases {
		if one.because == name {
			cases = append(cases, fmt.Sprintf("`discover %s`", shown(one.arguments)))
		}
	}
	for _, provider := range allProviderCases {
		for _, one := range provider.cases {
			if one.because == name {
				cases = append(cases, fmt.Sprintf("`provider=%s %s`", provider.provider, one.join))
			}
		}
	}
	if stringDifferences[name] != nil {
		cases = append(cases, "strings that were generated")
	}
	return cases
}

// shown is an argument vector as a shell would take it, near enough for a reader.
func shown(arguments []string) string {
	var text []string
	for _, argument := range arguments {
		if strings.ContainsAny(argument, " '\"\n\xff") || argument == "" {
			argument = "'" + strings.ToValidUTF8(argument, "\\xff") + "'"
		}
		text = append(text, argument)
	}
	return strings.Join(text, " ")
}

// The table that people read is the table that the tests go by.
func TestDifferencesAreAllShownAndAllWritten(t *testing.T) {
	const path = "differences.md"
	var text strings.Builder
	text.WriteString("# What is done otherwise than go-discover does it, on purpose\n\n")
	text.WriteString("Everything else that `peers/run` compares is equal. Each line is shown by cases that run go-discover v1.3.0 and v1.4.0 and this project beside each other.\n")
	text.WriteString("Made by `peers/run differences`; do not edit.\n\n")
	text.WriteString("| go-discover | `discover` | because | shown by |\n|---|---|---|---|\n")
	for _, one := range differences {
		cases := shownBy(one.name)
		if len(cases) == 0 {
			t.Errorf("no case shows %q: take it out of the table", one.name)
		}
		for i := range cases {
			cases[i] = strings.ReplaceAll(cases[i], "|", "\\|")
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", one.peer, one.ours, one.reason, strings.Join(cases, "; "))
	}
	if *write {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if written, err := os.ReadFile(path); err != nil || string(written) != text.String() {
		t.Errorf("%s differs from the tables (%v); `peers/run differences` writes it anew", path, err)
	}
}
