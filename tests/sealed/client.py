"""A client of it, in Python: client.py PORT NAME BYTES…"""
import socket
import sys

from tlslite.api import TLSConnection

port, name, *sizes = sys.argv[1:]
tls = TLSConnection(socket.create_connection(("127.0.0.1", int(port))))
tls.handshakeClientCert(serverName=name, alpn=[bytearray(b"http/1.1")])
for size in sizes:
    tls.sendall(f"GET /items/{size} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    left, seen = None, b""
    while left is None or left > 0:
        part = tls.recv(16384)
        assert part, "it ended early"
        if left is None:
            seen += part
            if b"\r\n\r\n" in seen:
                left = int(size) - len(seen.split(b"\r\n\r\n", 1)[1])
        else:
            left -= len(part)
if sys.stdin.readline() == "go\n":
    tls.close()
