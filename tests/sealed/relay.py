"""Passes bytes on from PORT to TARGET, and tells how many: relay.py PORT TARGET. A line of JSON per connection that is over."""
import json
import socket
import sys
import threading


def pump(source, sink, counts, name):
    try:
        while data := source.recv(65536):
            counts[name] += len(data)
            sink.sendall(data)
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def relay(client, target):
    server = socket.create_connection(("127.0.0.1", target))
    counts = {"client": 0, "server": 0}
    back = threading.Thread(target=pump, args=(server, client, counts, "server"))
    back.start()
    pump(client, server, counts, "client")
    back.join()
    client.close()
    server.close()
    print(json.dumps(counts), flush=True)


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    threading.Thread(target=relay, args=(connection, int(sys.argv[2])), daemon=True).start()
