"""A server of the Model Context Protocol over HTTP with two tools: python3 mcp_server.py PORT."""

import sys

from mcp.server import MCPServer

server = MCPServer("calculator")

@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b

@server.tool()
def divide(a: int, b: int) -> float:
    """Divides two numbers."""
    return a / b

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
