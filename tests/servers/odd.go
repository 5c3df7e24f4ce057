// Some of the routes that every test server has, over TLS, as unlike net/http as Go allows: the connection is wrapped, the
// handshake happens within the first read, and requests are read into an array on a stack that grows meanwhile.
// odd PORT CERTIFICATE KEY
package main

import (
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"time"
)

var routes = map[string][2]string{
	"GET /items":   {"200 OK", "[1,2,3]"},
	"POST /orders": {"201 Created", `{"id":7}`},
	"GET /fails":   {"500 Internal Server Error", "oops"},
	"GET /slow":    {"200 OK", "slow"},
}

// As servers that count or limit do.
type wrapped struct {
	net.Conn
	reads int
}

func (w *wrapped) Read(bytes []byte) (int, error) {
	w.reads++
	return w.Conn.Read(bytes)
}

func answer(request string) string {
	words := strings.Fields(request)
	path, _, _ := strings.Cut(words[1], "?")
	found, known := routes[words[0]+" "+path]
	if !known {
		found = [2]string{"404 Not Found", "missing"}
	}
	if path == "/slow" {
		time.Sleep(60 * time.Millisecond)
	}
	head := "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
	return fmt.Sprintf(head, found[0], len(found[1]), found[1])
}

// Nothing is wanted but that a request comes whole: bodies are small and have a length.
func whole(request string) bool {
	head, body, found := strings.Cut(request, "\r\n\r\n")
	length := 0
	if _, rest, stated := strings.Cut(strings.ToLower(head), "content-length:"); stated {
		fmt.Sscan(rest, &length)
	}
	return found && len(body) >= length
}

func serve(conn *tls.Conn) {
	defer conn.Close()
	request := ""
	for {
		var buffer [1500]byte
		count, err := conn.Read(buffer[:])
		if err != nil {
			return
		}
		request += string(buffer[:count])
		if whole(request) {
			conn.Write([]byte(answer(request)))
			request = ""
		}
	}
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(tls.Server(&wrapped{Conn: conn}, config))
	}
}
