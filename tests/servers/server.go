// The routes that every test server has, and `/sized/NAME?status=S&size=N` as it is asked for: server PORT [CERTIFICATE KEY];
// HTTP/1.1 only.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func answer(status int, body string, after time.Duration) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		io.Copy(io.Discard, request.Body)
		time.Sleep(after)
		response.Header().Set("Content-Type", "application/json")
		response.Header().Set("Content-Length", fmt.Sprint(len(body)))
		response.WriteHeader(status)
		io.WriteString(response, body)
	}
}

func sized(response http.ResponseWriter, request *http.Request) {
	status, _ := strconv.Atoi(request.URL.Query().Get("status"))
	size, _ := strconv.Atoi(request.URL.Query().Get("size"))
	answer(status, strings.Repeat("b", size), 0)(response, request)
}

func main() {
	http.HandleFunc("/sized/", sized)
	http.HandleFunc("GET /items", answer(200, "[1,2,3]", 0))
	http.HandleFunc("POST /orders", answer(201, `{"id":7}`, 0))
	http.HandleFunc("GET /fails", answer(500, "oops", 0))
	http.HandleFunc("GET /slow", answer(200, "slow", 60*time.Millisecond))
	http.HandleFunc("/", answer(404, "missing", 0))
	server := http.Server{Addr: "127.0.0.1:" + os.Args[1]}
	if len(os.Args) < 5 {
		// No HTTP/2.
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	if len(os.Args) > 2 {
		log.Fatal(server.ListenAndServeTLS(os.Args[2], os.Args[3]))
	}
	log.Fatal(server.ListenAndServe())
}
