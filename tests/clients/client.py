"""One keep-alive connection; with --tls over TLS; with --wait the calls after the first wait for a line on standard input."""

import http.client
import ssl
import sys

port = int(sys.argv[1])
if "--tls" in sys.argv:
    # Who it is does not matter here.
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
else:
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
