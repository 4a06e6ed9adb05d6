// Google Cloud Storage's XML API on fake-gcs-server, as far as a shared store uses it. That server
// has the API's reads, but no uploads: here one becomes an upload of its JSON API, which checks the
// generation and stores the object. It also has a token endpoint; no request's token is checked.
//
// Run with the port: it serves 127.0.0.1 alone, with the bucket `fleet`.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

const bucket = "fleet"

func main() {
	address := net.JoinHostPort("127.0.0.1", os.Args[1])
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, PublicHost: address})
	if err != nil {
		log.Fatal(err)
	}
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
	// The server looks at the host's name, which is another one through a relay.
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = address
		if r.URL.Path == "/token" {
			w.Header().Set("content-type", "application/json")
			io.WriteString(w, `{"access_token": "seed", "expires_in": 3600, "token_type": "Bearer"}`)
			return
		}
		upload(server.HTTPHandler()).ServeHTTP(w, r)
	})
	log.Fatal(http.ListenAndServe(address, handler))
}

func upload(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			next.ServeHTTP(w, r)
			return
		}
		query := url.Values{
			"uploadType": {"media"},
			"name":       {strings.TrimPrefix(r.URL.Path, "/"+bucket+"/")},
		}
		if generation := r.Header.Get("x-goog-if-generation-match"); generation != "" {
			query.Set("ifGenerationMatch", generation)
		}
		target := "/upload/storage/v1/b/" + bucket + "/o?" + query.Encode()
		put := httptest.NewRequest(http.MethodPost, target, r.Body)
		put.Host = r.Host
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, put)
		var object struct{ Generation, Etag string }
		if json.Unmarshal(recorder.Body.Bytes(), &object) == nil && object.Generation != "" {
			w.Header().Set("x-goog-generation", object.Generation)
			w.Header().Set("etag", `"`+object.Etag+`"`)
		}
		w.WriteHeader(recorder.Code)
	})
}
