// One keep-alive connection: client PORT [--tls] [--wait] [--then PORT]; waiting, the calls after the first wait for a line on standard
// input. Many at once: client PORT --many CONNECTIONS CALLS; says which calls were made on which port. Planned ones:
// client PORT --planned PLAN, as planned.py has it.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

type connection struct {
	Port  int      `json:"port"`
	Calls []string `json:"calls"`
}

// Who the server is does not matter here. HTTP/1.1 only.
func client(local *int) *http.Client {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		made, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			*local = made.LocalAddr().(*net.TCPAddr).Port
		}
		return made, err
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:     dial,
		MaxConnsPerHost: 1,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
}

func call(caller *http.Client, method, url, body string) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	response, err := caller.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}

func many(base string, connections, calls int) {
	made := make([]connection, connections)
	var all sync.WaitGroup
	for number := range made {
		all.Go(func() {
			caller := client(&made[number].Port)
			for each := range calls {
				name := fmt.Sprintf("%d-%d", number, each)
				call(caller, "GET", base+"/items?n="+name, "")
				made[number].Calls = append(made[number].Calls, name)
			}
		})
	}
	all.Wait()
	json.NewEncoder(os.Stdout).Encode(made)
}

type planned struct {
	method, target string
	length         int
}

func (p *planned) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&p.method, &p.target, &p.length})
}

func inPlan(base, file string) {
	var plan [][]planned
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &plan)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	told := make([][][3]int, len(plan))
	var all sync.WaitGroup
	for number, calls := range plan {
		all.Go(func() {
			var port int
			caller := client(&port)
			for _, call := range calls {
				body := strings.NewReader(strings.Repeat("b", call.length))
				request, err := http.NewRequest(call.method, base+call.target, body)
				if err != nil {
					log.Fatal(err)
				}
				response, err := caller.Do(request)
				if err != nil {
					log.Fatal(err)
				}
				length, err := io.Copy(io.Discard, response.Body)
				if err != nil {
					log.Fatal(err)
				}
				response.Body.Close()
				told[number] = append(told[number], [3]int{port, response.StatusCode, int(length)})
			}
		})
	}
	all.Wait()
	json.NewEncoder(os.Stdout).Encode(told)
}

func main() {
	scheme := "http"
	if slices.Contains(os.Args, "--tls") {
		scheme = "https"
	}
	base := scheme + "://127.0.0.1:" + os.Args[1]
	if len(os.Args) > 4 && os.Args[2] == "--many" {
		connections, _ := strconv.Atoi(os.Args[3])
		calls, _ := strconv.Atoi(os.Args[4])
		many("https://127.0.0.1:"+os.Args[1], connections, calls)
		return
	}
	if len(os.Args) > 3 && os.Args[2] == "--planned" {
		inPlan("https://127.0.0.1:"+os.Args[1], os.Args[3])
		return
	}
	var port int
	caller := client(&port)
	if slices.Contains(os.Args, "--wait") {
		call(caller, "GET", base+"/items?before=1", "")
		fmt.Println("connected")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}
	for number := range 3 {
		call(caller, "GET", fmt.Sprint(base, "/items?n=", number), "")
	}
	call(caller, "POST", base+"/orders", `{"q": 12}`)
	for _, path := range []string{"/missing", "/fails", "/slow"} {
		call(caller, "GET", base+path, "")
	}
	if then := slices.Index(os.Args, "--then"); then > 0 {
		caller.CloseIdleConnections()
		call(caller, "GET", scheme+"://127.0.0.1:"+os.Args[then+1]+"/items", "")
	}
}
