"""One keep-alive connection; with --wait the calls after the first wait for a line on standard input."""

import http.client
import sys

port = int(sys.argv[1])
connection = http.client.HTTPConnection("127.0.0.1", port)


def call(method, path, body=None):
    connection.request(method, path, body)
    connection.getresponse().read()


if "--wait" in sys.argv:
    call("GET", "/items?before=1")
    print("connected", flush=True)
    sys.stdin.readline()
for number in range(3):
    call("GET", f"/items?n={number}")
call("POST", "/orders", b'{"q": 12}')
call("GET", "/missing")
call("GET", "/fails")
call("GET", "/slow")
