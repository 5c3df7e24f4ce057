"""One connection by prior knowledge: python3 http2.py PORT"""

import sys

import httpx

with httpx.Client(http1=False, http2=True, base_url=f"http://127.0.0.1:{sys.argv[1]}") as client:
    for number in range(3):
        client.get("/items", params={"n": number})
    client.post("/orders", content=b'{"q": 12}')
    client.get("/missing")
    client.get("/fails")
