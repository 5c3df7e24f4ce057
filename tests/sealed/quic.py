"""QUIC on loopback: quic.py PORT CERTIFICATE KEY NAME SIZE [2]: a server and a client that asks it for so many bytes, in this
version. Tells how many bytes of datagrams the client sent and received."""
import asyncio
import json
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet import QuicProtocolVersion

port, certificate, key, name, size, *version = sys.argv[1:]
port, size = int(port), int(size)
VERSION = QuicProtocolVersion.VERSION_2 if version == ["2"] else QuicProtocolVersion.VERSION_1


class Answer(QuicConnectionProtocol):
    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived) and event.end_stream:
            self._quic.send_stream_data(event.stream_id, b"x" * size, end_stream=True)


class Ask(QuicConnectionProtocol):
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


async def main():
    server = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    server.load_cert_chain(certificate, key)
    await serve("127.0.0.1", port, configuration=server, create_protocol=Answer)
    client = QuicConfiguration(
        alpn_protocols=["h3"], server_name=name, verify_mode=ssl.CERT_NONE,
        original_version=VERSION, supported_versions=[VERSION],
    )
    async with connect("127.0.0.1", port, configuration=client, create_protocol=Ask, local_port=0) as asked:
        reader, writer = await asked.create_stream()
        writer.write_eof()
        assert len(await reader.read()) == size
    print(json.dumps(Ask.counts))


asyncio.run(main())
