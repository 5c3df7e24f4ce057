"""Talks over one WebSocket: python3 ws_client.py PORT (deflate | plain) (bye | fail | wait).

`wait` says `open` when all ticks came, and goes on when a line comes on standard input.
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

PORT, COMPRESSION, END = sys.argv[1], {"deflate": "deflate", "plain": None}[sys.argv[2]], sys.argv[3]


async def main():
    address = f"ws://127.0.0.1:{PORT}/live/prices?token=hunter2"
    async with connect(address, compression=COMPRESSION, subprotocols=["ticks.v1"], max_size=None) as connection:
        for symbol in ("AAA", "BBB"):
            await connection.send(json.dumps({"type": "subscribe", "symbol": symbol}))
            for _ in range(3):
                await connection.recv()
        # In fragments, and far more than is kept.
        await connection.send(["one ", "message ", "in four ", "fragments"])
        await connection.recv()
        # Until it is known what a connection carries, 64 KiB of it are copied: on a busy machine that takes a moment.
        await asyncio.sleep(0.5)
        await connection.send(b"\x00\x01" * 100_000)
        await connection.recv()
        if END == "wait":
            print("open", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        if END == "fail":
            await connection.send(json.dumps({"type": "fail"}))
            try:
                await connection.recv()
            except ConnectionClosed:
                pass


asyncio.run(main())
