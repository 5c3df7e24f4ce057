"""QUIC on loopback, in processes of its own or in one:

quic.py both PORT CERTIFICATE KEY NAME SIZE [VERSION]     a server, and a client that asks it for so many bytes
quic.py serve PORT CERTIFICATE KEY SIZE                   says that it is ready; ends with its standard input
quic.py ask PORT NAMES SIZE [VERSION]                     a flow for each name, all at once; begins with a line of standard input
quic.py pause PORT CERTIFICATE KEY NAME SIZE              as `both`, asks twice, and waits for a line of standard input in between

Each tells in the end how many bytes of datagrams it sent and received (`both`: its client)."""
import asyncio
import json
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet import QuicProtocolVersion

role, port, *rest = sys.argv[1:]
port = int(port)
VERSIONS = {"1": QuicProtocolVersion.VERSION_1, "2": QuicProtocolVersion.VERSION_2}


class Counted:
    """What goes through a protocol of asyncio and its transport."""

    counts = {"sent": 0, "received": 0}

    def connection_made(self, transport):
        send = transport.sendto

        def counted(data, *rest):
            self.counts["sent"] += len(data)
            send(data, *rest)

        transport.sendto = counted
        super().connection_made(transport)

    def datagram_received(self, data, address):
        self.counts["received"] += len(data)
        super().datagram_received(data, address)


class Ask(Counted, QuicConnectionProtocol):
    pass


def answering(size):
    class Answer(QuicConnectionProtocol):
        def quic_event_received(self, event):
            if isinstance(event, StreamDataReceived) and event.end_stream:
                self._quic.send_stream_data(event.stream_id, b"x" * size, end_stream=True)

    return Answer


async def server(certificate, key, size):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(certificate, key)
    return await serve("127.0.0.1", port, configuration=configuration, create_protocol=answering(size))


async def ask(name, size, version="1", times=1, between=None):
    client = QuicConfiguration(
        alpn_protocols=["h3"], server_name=name, verify_mode=ssl.CERT_NONE,
        original_version=VERSIONS[version], supported_versions=[VERSIONS[version]],
    )
    async with connect("127.0.0.1", port, configuration=client, create_protocol=Ask, local_port=0) as asked:
        for time in range(times):
            if time and between:
                await between()
            reader, writer = await asked.create_stream()
            writer.write_eof()
            assert len(await reader.read()) == size


async def a_line():
    await asyncio.to_thread(sys.stdin.readline)


async def both(certificate, key, name, size, version="1"):
    await server(certificate, key, int(size))
    await ask(name, int(size), version)


async def pause(certificate, key, name, size):
    async def between():
        print("asked", flush=True)
        await a_line()

    await server(certificate, key, int(size))
    await ask(name, int(size), times=2, between=between)


async def serving(certificate, key, size):
    running = await server(certificate, key, int(size))
    received, transport = running.datagram_received, running._transport
    send = transport.sendto

    def counted_in(data, address):
        Counted.counts["received"] += len(data)
        received(data, address)

    def counted_out(data, *rest):
        Counted.counts["sent"] += len(data)
        send(data, *rest)

    running.datagram_received, transport.sendto = counted_in, counted_out
    print("ready", flush=True)
    await a_line()


async def asking(names, size, version="1"):
    await a_line()
    await asyncio.gather(*(ask(name, int(size), version) for name in names.split(",")))


roles = {"both": both, "serve": serving, "ask": asking, "pause": pause}
asyncio.run(roles[role](*rest))
print(json.dumps(Counted.counts))
