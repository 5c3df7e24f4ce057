"""In a network of its own: a name server, an HTTP server, and a client that asks the one and then the other by address.

names.py FOLDER: tells the client's process id, and starts it when told to."""
import http.server
import os
import socket
import struct
import subprocess
import sys
import threading

ADDRESS = "10.77.0.9"
CLIENT = """
import socket, sys
sys.stdin.readline()
[(*_, (address, _))] = socket.getaddrinfo("api.internal.example", None, socket.AF_INET, socket.SOCK_STREAM)
connection = socket.create_connection((address, 8080))
connection.sendall(b"GET /items HTTP/1.0\\r\\n\\r\\n")
while connection.recv(4096): pass
"""


def answer_names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        asked, client = server.recvfrom(2048)
        question = asked[12 : asked.index(0, 12) + 5]
        record = struct.pack(">HHHIH4s", 0xC00C, 1, 1, 60, 4, socket.inet_aton(ADDRESS))
        is_address = question[-4:] == struct.pack(">HH", 1, 1)
        head = asked[:2] + struct.pack(">HHHHH", 0x8180, 1, is_address, 0, 0)
        server.sendto(head + question + (record if is_address else b""), client)


class Items(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


def main():
    for command in (["ip", "link", "set", "lo", "up"], ["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"]):
        subprocess.run(command, check=True)
    resolver = os.path.join(sys.argv[1], "resolv.conf")
    with open(resolver, "w") as file:
        file.write("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
    threading.Thread(target=answer_names, daemon=True).start()
    server = http.server.HTTPServer((ADDRESS, 8080), Items)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = subprocess.Popen([sys.executable, "-c", CLIENT], stdin=subprocess.PIPE)
    print(client.pid, flush=True)
    client.communicate(sys.stdin.readline().encode())
    sys.exit(client.returncode)


main()
