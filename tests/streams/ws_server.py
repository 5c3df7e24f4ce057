"""A WebSocket server: python3 ws_server.py PORT (deflate | plain).

A subscription gets three ticks, `fail` an end with 1011; all else comes back.
"""

import asyncio
import json
import sys

from websockets.asyncio.server import serve

PORT, COMPRESSION = int(sys.argv[1]), {"deflate": "deflate", "plain": None}[sys.argv[2]]


async def talk(connection):
    async for message in connection:
        asked = json.loads(message) if isinstance(message, str) and message.startswith("{") else {}
        if asked.get("type") == "subscribe":
            for n in range(3):
                await connection.send(json.dumps({"type": "tick", "symbol": asked["symbol"], "price": 100 + n / 4}))
        elif asked.get("type") == "fail":
            await connection.close(1011, "as you wish")
            return
        else:
            await connection.send(message)


async def main():
    async with serve(talk, "127.0.0.1", PORT, compression=COMPRESSION, subprotocols=["ticks.v1"], max_size=None):
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
