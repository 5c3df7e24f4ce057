"""Many calls at once over TLS: many.py PORT CONNECTIONS CALLS. Says of each connection which local port it had and which calls
it made; fails when a call does."""

import http.client
import json
import ssl
import sys
import threading

port, connections, calls = (int(argument) for argument in sys.argv[1:4])
context = ssl._create_unverified_context()
told = []


def talk(number):
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    connection.connect()
    local = connection.sock.getsockname()[1]
    made = []
    for call in range(calls):
        name = f"{number}.{call}"
        connection.request("GET", f"/items?n={name}")
        response = connection.getresponse()
        if response.status != 200 or response.read() != b"[1,2,3]":
            return
        made.append(name)
    told.append({"port": local, "calls": made})
    connection.close()


threads = [threading.Thread(target=talk, args=(number,)) for number in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(told))
sys.exit(len(told) != connections)
