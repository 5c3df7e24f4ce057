"""TLS in one thread, its socket in another, so that nothing shows which socket carries the session: bio.py PORT. Waits for a line
on standard input after the handshake."""

import queue
import socket
import ssl
import sys
import threading

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
session = ssl._create_unverified_context().wrap_bio(incoming, outgoing)
wanted, done = queue.Queue(), queue.Queue()


def carry():
    """The only thread that touches the socket: sends what it is given, or receives where that is nothing."""
    while True:
        bytes_ = wanted.get()
        done.put(connection.sendall(bytes_) if bytes_ else connection.recv(65536))


def until_done(act):
    while True:
        try:
            result = act()
        except ssl.SSLWantReadError:
            result = None
        if outgoing.pending:
            wanted.put(outgoing.read())
            done.get()
        if result is not None:
            return result
        wanted.put(b"")
        incoming.write(done.get())


threading.Thread(target=carry, daemon=True).start()
until_done(lambda: session.do_handshake() or True)
print("connected", flush=True)
sys.stdin.readline()
until_done(lambda: session.write(b"GET /items?from=memory HTTP/1.1\r\nHost: bio.example\r\n\r\n"))
answer = b""
while not answer.endswith(b"[1,2,3]"):
    answer += until_done(lambda: session.read(65536))
