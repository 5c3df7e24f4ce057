"""The routes that every test server has, and `/sized/NAME?status=S&size=N` as it is asked for: python3 server.py PORT (or the path of a unix socket) [CERTIFICATE KEY].
It listens at HOST, or at 127.0.0.1."""

import os
import socketserver
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

ROUTES = {
    ("GET", "/items"): (200, b"[1,2,3]"),
    ("POST", "/orders"): (201, b'{"id":7}'),
    ("GET", "/fails"): (500, b"oops"),
    ("GET", "/slow"): (200, b"slow"),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = ROUTES.get((self.command, path), (404, b"missing"))
        if path.startswith("/sized/"):
            asked = dict(parse_qsl(self.path.split("?")[1]))
            status, body = int(asked["status"]), b"b" * int(asked["size"])
        if path == "/slow":
            time.sleep(0.06)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def address_string(self):
        return "client"

    def log_message(self, *arguments):
        pass


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class TlsServer(ThreadingHTTPServer):
    """The handshake is made by the thread of the connection, not by the one that accepts."""

    request_queue_size = 256

    def finish_request(self, request, client_address):
        super().finish_request(CONTEXT.wrap_socket(request, server_side=True), client_address)


where, host = sys.argv[1], os.environ.get("HOST", "127.0.0.1")
if len(sys.argv) > 2:
    CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CONTEXT.load_cert_chain(sys.argv[2], sys.argv[3])
    TlsServer((host, int(where)), Handler).serve_forever()
elif where.isdigit():
    ThreadingHTTPServer((host, int(where)), Handler).serve_forever()
else:
    UnixServer(where, Handler).serve_forever()
