"""What the other servers here say, over HTTP/2 by TLS: python3 hypercorn_server.py PORT (ws | models | mcp) CERTIFICATE KEY."""

import asyncio
import json
import os
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config

sys.path.insert(0, os.path.dirname(__file__))

PORT, WHAT, CERTIFICATE, KEY = sys.argv[1:]


async def sockets(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "ticks.v1"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        asked = json.loads(text) if text and text.startswith("{") else {}
        if asked.get("type") == "subscribe":
            for n in range(3):
                tick = {"type": "tick", "symbol": asked["symbol"], "price": 100 + n / 4}
                await send({"type": "websocket.send", "text": json.dumps(tick)})
        elif asked.get("type") == "fail":
            await send({"type": "websocket.close", "code": 1011})
            return
        else:
            await send({"type": "websocket.send", "text": text, "bytes": message.get("bytes")})


async def models(scope, receive, send):
    from models import ANSWERS, PAUSE

    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part.get("body", b""), part.get("more_body")
    answer = ANSWERS[scope["path"]](json.loads(body))
    media = b"application/json" if isinstance(answer, dict) else b"text/event-stream"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", media)]})
    if isinstance(answer, dict):
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
        return
    for event in answer:
        if event == PAUSE:
            await asyncio.sleep(PAUSE)
            continue
        name, data = event
        data = data if isinstance(data, str) else json.dumps(data)
        text = (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def tools():
    from mcp_server import server

    return server.streamable_http_app()


config = Config()
config.bind = [f"127.0.0.1:{PORT}"]
config.certfile, config.keyfile, config.alpn_protocols = CERTIFICATE, KEY, ["h2"]
asyncio.run(serve({"ws": lambda: sockets, "models": lambda: models, "mcp": tools}[WHAT](), config))
