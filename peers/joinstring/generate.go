// Package joinstring makes join strings that are worth comparing: close to the grammar's edges, and
// the same for the same seed.
package joinstring

import (
	"math/rand/v2"
	"strings"
)

// Generate makes `count` different strings, all of them UTF-8. A third is loose pieces, a third is
// pairs with something odd in them, and a third is strings as operators write them with a few
// letters changed.
func Generate(seed uint64, count int) []string {
	made := generator{rand.New(rand.NewPCG(seed, seed))}
	seen := make(map[string]bool, count)
	all := make([]string, 0, count)
	for _, text := range real {
		seen[text] = true
		all = append(all, text)
	}
	for turn := 0; len(all) < count; turn++ {
		var text string
		switch turn % 3 {
		case 0:
			text = made.pieces()
		case 1:
			text = made.pairs()
		default:
			text = made.mutated()
		}
		if !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
	}
	return all
}

type generator struct{ *rand.Rand }

func pick[T any](made generator, from []T) T { return from[made.IntN(len(from))] }

// What strings are put together from. Every group is as likely as the others, so the grammar's own
// characters are close together.
var groups = [][]string{
	{"="},
	{" "},
	{`"`},
	{`\`},
	{"a", "b", "key", "k", "provider", "azure", "tag_name", "é", "日本", "x-1"},
	{"\t", "\n", "\r\n", "\v", "\f", "\u0085", "\u00a0", "\u1680", "\u2000", "\u2009", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"},
	// Looks like white space or nothing, and is neither.
	{"\u200b", "\ufeff", "\u00ad", "\u180e", "\x01", "\x7f"},
	{"'", "`", "“", "#", "@", "%20", "+", "/", "$(x)", ";", ","},
	{`\a`, `\b`, `\f`, `\n`, `\r`, `\t`, `\v`, `\\`, `\"`},
	{`\x41`, `\x7E`, `\x00`, `\101`, `\377`, `\u00e9`, `\u2028`, `\U0001F600`, `\xc3\xa9`, `\303\251`, `\xff`, `\xed\xa0\x80`},
	{`\'`, `\0`, `\400`, `\8`, `\/`, `\e`, `\x4`, `\xg0`, `\u12`, `\ud800`, `\U00110000`, `\ `, `\+1`, `\x+1`, `\u+123`},
}

func (made generator) piece() string { return pick(made, pick(made, groups)) }

func (made generator) pieces() string {
	var text strings.Builder
	for range 1 + made.IntN(16) {
		text.WriteString(made.piece())
	}
	return text.String()
}

// text is a key or a value: bare, in quotes, or in quotes that are not quite right.
func (made generator) text() string {
	var inside strings.Builder
	for range made.IntN(5) {
		inside.WriteString(made.piece())
	}
	switch made.IntN(8) {
	case 0:
		return inside.String()
	case 1, 2:
		// In quotes, with what would end them taken out.
		return `"` + strings.NewReplacer(`"`, "", `\`, "").Replace(inside.String()) + `"`
	case 3:
		return `"` + inside.String() + `"`
	case 4:
		return `"` + pick(made, groups[9]) + pick(made, groups[8]) + `"`
	case 5:
		// Left open, now and then in the middle of an escape.
		return `"` + inside.String() + pick(made, []string{"", "", `\`})
	default:
		return pick(made, groups[4])
	}
}

func (made generator) pairs() string {
	var text strings.Builder
	for range 1 + made.IntN(4) {
		text.WriteString(made.text())
		text.WriteString(pick(made, []string{"=", "=", "=", " = ", "= ", " =", "=\t", "", "=="}))
		text.WriteString(made.text())
		text.WriteString(pick(made, []string{" ", " ", " ", "  ", "", " \n", "\n", "\t"}))
	}
	return text.String()
}

func (made generator) mutated() string {
	text := []rune(pick(made, real))
	for range 1 + made.IntN(4) {
		at := made.IntN(len(text) + 1)
		rest := text[at:]
		switch made.IntN(5) {
		case 0:
			// Letters go.
			rest = rest[min(len(rest), 1+made.IntN(4)):]
		case 1:
			// A part comes twice.
			part := rest[:min(len(rest), 1+made.IntN(12))]
			rest = append(append([]rune{}, part...), rest...)
		case 2:
			// Something takes the place of a letter.
			rest = append([]rune(made.piece()), rest[min(len(rest), 1):]...)
		default:
			rest = append([]rune(made.piece()), rest...)
		}
		text = append(append([]rune{}, text[:at]...), rest...)
	}
	return string(text)
}
