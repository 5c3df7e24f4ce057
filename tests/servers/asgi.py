"""The routes that every test server has, for any server of ASGI."""

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
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
