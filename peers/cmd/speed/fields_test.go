package main

import "testing"

func TestPartialResponses(t *testing.T) {
	const response = `{"items":{"zones/a":{"instances":[{"id":1,"tags":{"items":["t"],"fingerprint":"f"},"zone":"z"}]},"zones/b":{"warning":{"code":"c","data":[]}}},"kind":"k","nextPageToken":"n"}`
	for fields, want := range map[string]string{
		"":              response,
		"nextPageToken": `{"nextPageToken":"n"}`,
		"items/*/instances(id,tags/items),items/*/warning(code),nextPageToken": `{"items":{"zones/a":{"instances":[{"id":1,"tags":{"items":["t"]}}]},"zones/b":{"warning":{"code":"c"}}},"nextPageToken":"n"}`,
		"items/*/instances(tags(items),zone),kind":                             `{"items":{"zones/a":{"instances":[{"tags":{"items":["t"]},"zone":"z"}]},"zones/b":{}},"kind":"k"}`,
	} {
		if got := partial(response, fields); got != want {
			t.Errorf("%s\n got %s\nwant %s", fields, got, want)
		}
	}
}
