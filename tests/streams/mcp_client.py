"""Calls tools of the Model Context Protocol: python3 mcp_client.py PORT [h2].

`h2`: over HTTP/2 by TLS.
"""

import asyncio
import sys

import httpx2

from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def server():
    if "h2" not in sys.argv:
        return f"http://127.0.0.1:{sys.argv[1]}/mcp"
    http = httpx2.AsyncClient(http1=False, http2=True, verify=False)
    return streamable_http_client(f"https://127.0.0.1:{sys.argv[1]}/mcp", http_client=http)


async def main():
    async with Client(server()) as client:
        await client.list_tools()
        for a in range(3):
            await client.call_tool("add", {"a": a, "b": 2})
        await client.call_tool("divide", {"a": 1, "b": 0})


asyncio.run(main())
