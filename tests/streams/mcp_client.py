"""Calls tools of the Model Context Protocol: python3 mcp_client.py PORT."""

import asyncio
import sys

from mcp import Client


async def main():
    async with Client(f"http://127.0.0.1:{sys.argv[1]}/mcp") as client:
        await client.list_tools()
        for a in range(3):
            await client.call_tool("add", {"a": a, "b": 2})
        await client.call_tool("divide", {"a": 1, "b": 0})


asyncio.run(main())
