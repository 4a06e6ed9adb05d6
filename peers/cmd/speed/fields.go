package main

import (
	"encoding/json"
	"strings"
)

// tree is what a `fields` parameter of Google's APIs selects: names, and what is below them;
// without any, everything.
type tree map[string]tree

// selector reads a `fields` parameter: `a,b(c,d),e/f,items/*/g`.
func selector(text string) tree {
	root := tree{}
	var list func(tree)
	list = func(parent tree) {
		for here := parent; text != ""; {
			if end := strings.IndexAny(text, ",/()"); end != 0 {
				if end < 0 {
					end = len(text)
				}
				name := text[:end]
				if here[name] == nil {
					here[name] = tree{}
				}
				here, text = here[name], text[end:]
				continue
			}
			separator := text[0]
			text = text[1:]
			switch separator {
			case '(':
				list(here)
			case ')':
				return
			case ',':
				here = parent
			}
		}
	}
	list(root)
	return root
}

// partial is the part of a response that `fields` selects.
func partial(response, fields string) string {
	if fields == "" {
		return response
	}
	var value any
	check(json.Unmarshal([]byte(response), &value))
	text, err := json.Marshal(selected(value, selector(fields)))
	check(err)
	return string(text)
}

// selected is what is left of a value; of a list, of each of its elements.
func selected(value any, names tree) any {
	switch value := value.(type) {
	case []any:
		for index := range value {
			value[index] = selected(value[index], names)
		}
	case map[string]any:
		for name := range value {
			below, found := names[name]
			if !found {
				below, found = names["*"]
			}
			if len(names) > 0 && !found {
				delete(value, name)
			} else if found {
				value[name] = selected(value[name], below)
			}
		}
	}
	return value
}
