"""The same client as ws_client.py over HTTP/2 (RFC 8441) by TLS: python3 ws_h2_client.py PORT (deflate | plain) (bye | fail).

It asks one thing more on the same connection, before and after.
"""

import contextlib
import json
import socket
import ssl
import sys
import time

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamEnded
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.extensions import PerMessageDeflate

PORT, COMPRESSION, END = int(sys.argv[1]), sys.argv[2], sys.argv[3]
LONG = b"\x00\x01" * 100_000

context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols(["h2"])
wire = context.wrap_socket(socket.create_connection(("127.0.0.1", PORT)))
http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))


def flush():
    wire.sendall(http.data_to_send())


def events():
    while data := wire.recv(65536):
        for event in http.receive_data(data):
            if isinstance(event, DataReceived):
                http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            yield event
        flush()


come = events()


def until(fits):
    flush()
    return next(event for event in come if fits(event))


def get(path):
    stream = http.get_next_available_stream_id()
    head = {":method": "GET", ":scheme": "https", ":authority": "localhost", ":path": path}
    http.send_headers(stream, list(head.items()), end_stream=True)
    until(lambda event: isinstance(event, StreamEnded) and event.stream_id == stream)


http.initiate_connection()
connects = lambda event: isinstance(event, RemoteSettingsChanged) and SettingCodes.ENABLE_CONNECT_PROTOCOL in event.changed_settings
until(connects)
get("/before")

deflate = PerMessageDeflate()
stream = http.get_next_available_stream_id()
head = {
    ":method": "CONNECT",
    ":protocol": "websocket",
    ":scheme": "https",
    ":authority": "localhost",
    ":path": "/live/prices?token=hunter2",
    "sec-websocket-version": "13",
    "sec-websocket-protocol": "ticks.v1",
}
if COMPRESSION == "deflate":
    head["sec-websocket-extensions"] = f"permessage-deflate; {deflate.offer()}".rstrip("; ")
http.send_headers(stream, list(head.items()))
answer = dict(until(lambda event: isinstance(event, ResponseReceived)).headers)
assert answer[":status"] == "200", answer
extensions = []
if agreed := answer.get("sec-websocket-extensions"):
    deflate.finalize(agreed)
    extensions = [deflate]
talk = Connection(ConnectionType.CLIENT, extensions)
heard, over = [], False


def send(message):
    data = talk.send(message)
    while data:
        room = min(http.local_flow_control_window(stream), http.max_outbound_frame_size)
        if not room:
            hear(next(come))
            continue
        http.send_data(stream, data[:room])
        data = data[room:]
    flush()


def hear(event):
    global over
    if isinstance(event, DataReceived):
        talk.receive_data(event.data)
        for said in talk.events():
            if isinstance(said, (TextMessage, BytesMessage)):
                heard.append(said.message_finished)
            elif isinstance(said, CloseConnection) and not over:
                over = True
                if END == "fail":
                    send(said.response())


def wait(count):
    heard.clear()
    while sum(heard) < count:
        hear(next(come))


for symbol in ("AAA", "BBB"):
    send(TextMessage(json.dumps({"type": "subscribe", "symbol": symbol})))
    wait(3)
for n, part in enumerate(("one ", "message ", "in four ", "fragments")):
    send(TextMessage(part, message_finished=n == 3))
wait(1)
# Until it is known what a connection carries, 64 KiB of it are copied: on a busy machine that takes a moment.
time.sleep(0.5)
send(BytesMessage(LONG))
wait(1)
send(TextMessage(json.dumps({"type": "fail"})) if END == "fail" else CloseConnection(1000))
while not over:
    hear(next(come))
get("/after")
# Last, because Hypercorn gives up a connection on which a client says more on a WebSocket that it has ended itself.
with contextlib.suppress(StreamClosedError):
    http.end_stream(stream)
http.close_connection()
flush()
wire.close()
