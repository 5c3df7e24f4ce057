"""The routes that every test server has, by asyncio, whose TLS works on memory: server_asyncio.py PORT CERTIFICATE KEY."""

import asyncio
import ssl
import sys

ROUTES = {
    ("GET", "/items"): (200, b"[1,2,3]"),
    ("POST", "/orders"): (201, b'{"id":7}'),
    ("GET", "/fails"): (500, b"oops"),
    ("GET", "/slow"): (200, b"slow"),
}


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = head[0].split(" ")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            await reader.readexactly(int(fields.get("content-length", 0)))
            path = target.split("?")[0]
            status, body = ROUTES.get((method, path), (404, b"missing"))
            if path == "/slow":
                await asyncio.sleep(0.06)
            writer.write(f"HTTP/1.1 {status} Fine\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), ssl=context)
    await server.serve_forever()


asyncio.run(main())
