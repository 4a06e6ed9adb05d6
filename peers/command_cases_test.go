package peers

import "strings"

// words is a command line as it is typed, for those without blanks in an argument.
func words(line string) []string { return strings.Fields(line) }

func line(text string) *ending { return &ending{stdout: text + "\n"} }

func silent(text string) *ending { return &ending{stdout: text + "\n", quiet: true} }

func usage() *ending { return &ending{stdoutHas: []string{"addrs"}} }

func wrongUsage(contains ...string) *ending { return &ending{exit: 2, stderrHas: contains} }

func failure(contains ...string) *ending { return &ending{exit: 1, stderrHas: contains} }

// nothingSaid is the peer with -q.
func noOutput() *ending { return &ending{exit: 1, quiet: true} }

func oneLine(exit int, contains ...string) *ending {
	return &ending{exit: exit, quiet: true, errorLines: 1, stderrHas: contains}
}

const tags = "provider=azure tag_name=consul tag_value=server"

const three = "10.0.3.4 10.0.3.5 10.0.3.6"

var blanks = strings.Replace(tagged, `"server"`, `"server one"`, 1)

var commandCases = []commandCase{
	// Help.
	{name: "no argument", same: usage()},
	{name: "h", arguments: words("-h"), same: usage()},
	{name: "h with two dashes", arguments: words("--h"), same: usage()},
	{name: "help", arguments: words("help"), same: usage()},
	{name: "q and h", arguments: words("-q -h"), same: usage()},
	{name: "h before addrs", arguments: words("-h addrs provider=azure"), same: usage()},
	{name: "h is false", arguments: words("-h=false addrs"), peer: failure("no provider"), ours: usage(), because: "help is help"},
	{name: "the word help as a flag", arguments: words("-help"), peer: &ending{stderrHas: []string{"usage"}}, ours: usage(), because: "help is help"},
	{name: "the word help as a flag with two dashes", arguments: words("--help"), peer: &ending{stderrHas: []string{"usage"}}, ours: usage(), because: "help is help"},
	{name: "q alone", arguments: words("-q"), same: usage()},
	{name: "nothing but the end of flags", arguments: words("--"), same: usage()},
	{name: "a word that is not known", arguments: words("adrs provider=azure"), peer: usage(), ours: wrongUsage("adrs"), because: "wrong words"},
	{name: "the word in capitals", arguments: words("ADDRS provider=azure"), peer: usage(), ours: wrongUsage("ADDRS"), because: "wrong words"},
	{name: "a word in the place of a value for q", arguments: words("-q false addrs provider=azure"), peer: usage(), ours: wrongUsage("false"), because: "wrong words"},
	{name: "a dash alone", arguments: words("- addrs"), peer: usage(), ours: wrongUsage(), because: "wrong words"},
	{name: "providers", arguments: words("providers"), peer: usage(), ours: &ending{stdoutHas: []string{"azure"}}, because: "more words"},
	{name: "check", arguments: words("check a=b"), peer: usage(), ours: &ending{exit: 1, stdoutHas: []string{}}, because: "more words"},
	{name: "version", arguments: words("--version"), peer: wrongUsage("flag provided but not defined"), ours: &ending{stdoutHas: []string{"discover "}}, because: "more flags"},

	// Flags.
	{name: "a flag that is not known", arguments: words("-x addrs"), same: wrongUsage("-x")},
	{name: "a long flag that is not known", arguments: words("--frobnicate addrs"), same: wrongUsage("frobnicate")},
	{name: "q with something else", arguments: words("-q=maybe addrs"), same: wrongUsage("maybe")},
	{name: "q with nothing", arguments: words("-q= addrs"), same: wrongUsage("-q")},
	{name: "three dashes", arguments: words("---q addrs"), same: wrongUsage("---q")},
	{name: "a flag without a name", arguments: words("-=x addrs"), same: wrongUsage()},
	{name: "q is false", arguments: words("-q=false addrs"), same: failure("no provider")},
	{name: "q is 0", arguments: words("-q=0 addrs"), same: failure("no provider")},
	{name: "q is F", arguments: words("-q=F addrs"), same: failure("no provider")},
	{name: "q is true and then false", arguments: words("-q -q=false addrs"), same: failure("no provider")},
	{name: "q", arguments: words("-q addrs " + tags), world: tagged, same: silent(three)},
	{name: "q with two dashes", arguments: words("--q addrs " + tags), world: tagged, same: silent(three)},
	{name: "q is T", arguments: words("-q=T addrs " + tags), world: tagged, same: silent(three)},
	{name: "q is TRUE", arguments: words("-q=TRUE addrs " + tags), world: tagged, same: silent(three)},
	{name: "q twice", arguments: words("-q -q addrs " + tags), world: tagged, same: silent(three)},
	{name: "q and the end of flags", arguments: words("-q -- addrs " + tags), world: tagged, same: silent(three)},
	{name: "q after addrs", arguments: words("addrs -q " + tags), world: tagged, peer: failure("-q: missing '='"), ours: silent(three), because: "flags after the word"},
	{name: "h after addrs", arguments: words("addrs -h"), peer: failure("-h: missing '='"), ours: usage(), because: "flags after the word"},
	{name: "the end of flags after addrs", arguments: words("addrs -- " + tags), world: tagged, peer: failure("--: missing '='"), ours: line(three), because: "flags after the word"},
	{name: "a time limit", arguments: words("addrs --timeout 5s " + tags), world: tagged, peer: failure("--timeout: missing '='"), ours: line(three), because: "flags after the word"},
	{name: "JSON", arguments: words("addrs --output lines " + tags), world: tagged, peer: failure("--output: missing '='"), ours: line(strings.ReplaceAll(three, " ", "\n")), because: "flags after the word"},

	// Strings that select nothing, or too little.
	{name: "no string", arguments: words("addrs"), same: failure("no provider")},
	{name: "an empty string", arguments: []string{"addrs", ""}, same: failure("no provider")},
	{name: "blanks", arguments: []string{"addrs", " ", "  "}, same: failure("no provider")},
	{name: "a tab and a line end", arguments: []string{"addrs", "\t\n"}, same: failure("no provider")},
	{name: "no provider", arguments: words("addrs tag_name=consul"), same: failure("no provider")},
	{name: "an empty provider", arguments: []string{"addrs", `provider=""`}, same: failure("no provider")},
	{name: "a word without a sign", arguments: words("addrs foo"), peer: failure("foo: missing '='"), ours: failure("missing '='", "pair 1"), because: "errors do not quote the string"},
	{name: "a key without a value", arguments: words("addrs provider="), same: failure("provider: missing value")},
	{name: "a value without a key", arguments: words("addrs =azure"), same: failure("equals in key's value")},
	{name: "two signs", arguments: words("addrs provider=azure=b"), same: failure("equals in key's value", `provider="value-with-=-symbol"`)},
	{name: "two signs together", arguments: words("addrs provider==azure"), same: failure("provider: missing value")},
	{name: "a quote that is left open", arguments: []string{"addrs", `provider="azure`}, same: failure("provider: unbalanced quotes")},
	{name: "an escape that is left open", arguments: []string{"addrs", `provider="azure\`}, same: failure("provider: unterminated escape sequence")},
	{name: "an escape that is not known", arguments: []string{"addrs", `provider="az\qure"`}, same: failure("provider: invalid syntax")},
	{name: "a key twice", arguments: words("addrs provider=azure provider=azure"), same: failure("provider: duplicate key")},
	{name: "single quotes", arguments: []string{"addrs", "provider=azure tag_name='a b'"}, peer: failure("b': missing '='"), ours: failure("missing '='", "pair 3"), because: "errors do not quote the string"},
	{name: "a line end and nothing else between pairs", arguments: []string{"addrs", "provider=azure\ntag_name=consul"}, same: failure("equals in key's value")},
	{name: "a provider that is not known", arguments: words("addrs provider=frobnicate"), same: failure("unknown provider", "frobnicate")},
	{name: "a provider in capitals", arguments: words("addrs provider=Azure"), same: failure("unknown provider", "azure")},
	{name: "a provider that is not registered", arguments: words("addrs provider=acme"), same: failure("unknown provider", "acme")},
	{name: "a provider that go-discover has not", arguments: words("addrs provider=hetzner"), peer: failure("unknown provider", "hetzner"), ours: failure("label_selector", "HCLOUD_TOKEN"), because: "providers"},
	{name: "half a selection", arguments: words("addrs provider=azure tag_name=consul"), peer: failure("unclear configuration"), ours: failure("tag_value"), because: "words of errors"},
	{name: "no selection", arguments: words("addrs provider=azure"), peer: failure("unclear configuration"), ours: failure("tag_name", "vm_scale_set"), because: "words of errors"},
	{name: "bytes that are no text", arguments: []string{"addrs", "provider=azure tag_name=\xff tag_value=server"}, world: tagged, peer: line(""), ours: failure("UTF-8"), because: "bytes that are no text"},

	// Strings that find something.
	{name: "one argument", arguments: []string{"addrs", tags}, world: tagged, same: line(three)},
	{name: "many arguments", arguments: words("addrs " + tags), world: tagged, same: line(three)},
	{name: "signs in arguments of their own", arguments: words("addrs provider = azure tag_name = consul tag_value = server"), world: tagged, same: line(three)},
	{name: "empty arguments between", arguments: []string{"addrs", "", "provider=azure", "", "tag_name=consul tag_value=server", ""}, world: tagged, same: line(three)},
	{name: "line ends beside blanks", arguments: []string{"addrs", " provider=azure \ntag_name=consul\t tag_value=server\r\n"}, world: tagged, same: line(three)},
	{name: "everything in quotes", arguments: []string{"addrs", `"provider"="azure" "tag_name"="consul" "tag_value"="server"`}, world: tagged, same: line(three)},
	{name: "escapes", arguments: []string{"addrs", `provider=azure tag_name="c\x6fnsul" tag_value="\u0073erver"`}, world: tagged, same: line(three)},
	{name: "no blank after a quote", arguments: []string{"addrs", `provider="azure"tag_name="consul"tag_value="server"`}, world: tagged, same: line(three)},
	{name: "a value with a blank, in quotes that the shell left", arguments: []string{"-q", "addrs", "provider=azure", "tag_name=consul", `tag_value="server one"`}, world: blanks, same: silent(three)},
	{name: "a value with a blank, cut in two within its quotes", arguments: []string{"-q", "addrs", "provider=azure", "tag_name=consul", `tag_value="server`, `one"`}, world: blanks, same: silent(three)},
	{name: "a value with a blank, whose quotes the shell took", arguments: []string{"addrs", "provider=azure", "tag_name=consul", "tag_value=server one"}, world: blanks, peer: failure("one: missing '='"), ours: line(three), because: "arguments stay whole"},
	{
		name: "a secret with a sign, whose quotes the shell took", arguments: []string{"addrs", "provider=azure", "tag_name=consul", "tag_value=server", "secret_access_key=pretend=="}, world: tagged,
		peer: failure("equals in key's value"), ours: failure("AADSTS7000215"), because: "arguments stay whole",
	},
	{name: "a file", arguments: words("-q addrs @testdata/tags.join"), world: tagged, peer: noOutput(), ours: silent(three), because: "files"},
	{name: "a key that is not known", arguments: words("addrs " + tags + " tag_key=consul"), world: tagged, peer: line(three), ours: &ending{stdout: three + "\n", quiet: true, errorLines: 1, stderrHas: []string{"tag_key", "tag_name"}}, because: "unknown keys"},
	{name: "a key that is not known, with q", arguments: words("-q addrs " + tags + " tag_key=consul"), world: tagged, same: silent(three)},
	{name: "the output of a success without q", arguments: words("addrs " + tags), world: tagged, peer: &ending{stdout: three + "\n", stderrHas: []string{"registered providers", "[debug]"}}, ours: silent(three), because: "log"},
	{name: "nothing found", arguments: words("addrs provider=azure tag_name=consul tag_value=client"), world: tagged, peer: line(""), ours: &ending{exit: 3, stderrHas: []string{"client"}}, because: "nothing found"},
	{name: "nothing found, with q", arguments: words("-q addrs provider=azure tag_name=consul tag_value=client"), world: tagged, peer: silent(""), ours: oneLine(3, "client"), because: "nothing found"},
	{name: "a failure with q", arguments: words("-q addrs provider=azure tag_name=consul tag_value=server secret_access_key=wrong"), world: tagged, peer: noOutput(), ours: oneLine(1, "AADSTS7000215"), because: "q keeps the error"},
	{name: "a wrong string with q", arguments: words("-q addrs provider=azure tag_name"), peer: noOutput(), ours: oneLine(1, "tag_name: missing '='"), because: "q keeps the error"},
	{name: "a failure", arguments: words("addrs provider=azure tag_name=consul tag_value=server secret_access_key=wrong"), world: tagged, same: failure("AADSTS7000215")},
	{name: "an empty value where the environment has one", arguments: []string{"addrs", tags + ` subscription_id=""`}, world: tagged, peer: failure("subscription"), ours: failure("subscription_id"), because: "words of errors"},
	{name: "a standard output that takes nothing", arguments: words("addrs " + tags), world: tagged, full: true, peer: &ending{}, ours: failure("cannot print"), because: "standard output"},
}
