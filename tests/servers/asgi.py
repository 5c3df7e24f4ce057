"""The routes that every test server has, and `/sized/NAME?status=S&size=N` as it is asked for, for any server of ASGI."""

from urllib.parse import parse_qsl

ROUTES = {
    ("GET", "/items"): (200, b"[1,2,3]"),
    ("POST", "/orders"): (201, b'{"id":7}'),
    ("GET", "/fails"): (500, b"oops"),
}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    status, body = ROUTES.get((scope["method"], scope["path"]), (404, b"missing"))
    if scope["path"].startswith("/sized/"):
        asked = dict(parse_qsl(scope["query_string"].decode()))
        status, body = int(asked["status"]), b"b" * int(asked["size"])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
