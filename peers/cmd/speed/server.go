package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// server serves a cloud, as HTTP and, for the real host names, as a proxy that ends TLS.
type server struct {
	url      string
	ca       string
	requests atomic.Int64
	listener net.Listener
}

// start serves what `cloud` has with `size` instances, each response later by the latency.
func start(cloud cloud, size int) *server {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	made := &server{url: "http://" + listener.Addr().String(), listener: listener}
	respond := once(cloud.handler(size, made.url))
	slow := http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		made.requests.Add(1)
		body, _ := io.ReadAll(request.Body)
		time.Sleep(latencyMs * time.Millisecond)
		respond(writer, request, string(body))
	})
	certificate := made.certificate()
	handler := http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodConnect {
			slow(writer, request)
			return
		}
		connection, _, err := writer.(http.Hijacker).Hijack()
		check(err)
		_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\n\r\n")
		inner := &single{connection: tls.Server(connection, &tls.Config{Certificates: []tls.Certificate{certificate}})}
		_ = http.Serve(inner, slow)
	})
	go func() { _ = http.Serve(listener, handler) }()
	return made
}

// once makes the response to each request once: what it costs to make is no part of the figures.
func once(respond func(http.ResponseWriter, *http.Request, string)) func(http.ResponseWriter, *http.Request, string) {
	var lock sync.Mutex
	known := map[string]*httptest.ResponseRecorder{}
	return func(writer http.ResponseWriter, request *http.Request, body string) {
		name := request.Method + " " + request.URL.String() + " " + body
		lock.Lock()
		response := known[name]
		if response == nil {
			response = httptest.NewRecorder()
			respond(response, request, body)
			known[name] = response
		}
		lock.Unlock()
		maps.Copy(writer.Header(), response.Header())
		writer.Header().Set("Content-Length", strconv.Itoa(response.Body.Len()))
		writer.WriteHeader(response.Code)
		_, _ = writer.Write(response.Body.Bytes())
	}
}

// taken is how many requests came since it was last called.
func (s *server) taken() int { return int(s.requests.Swap(0)) }

func (s *server) close() { _ = s.listener.Close() }

// certificate is one for Google's hosts; its authority is itself.
func (s *server) certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "speed"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"*.googleapis.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(err)
	s.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// single is a listener of one connection.
type single struct {
	connection net.Conn
	once       sync.Once
	done       chan struct{}
}

func (s *single) Accept() (net.Conn, error) {
	var connection net.Conn
	s.once.Do(func() { connection, s.done = s.connection, make(chan struct{}) })
	if connection != nil {
		return connection, nil
	}
	<-s.done
	return nil, io.EOF
}

func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return s.connection.LocalAddr() }
