"""httpbin, a service to try HTTP clients with: everything it echoes, sends, redirects and refuses, each with many values."""

import base64
import sys
import uuid

import harness

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PEOPLE = "ada alan barbara dennis edsger frances grace john ken leslie margaret niklaus".split()


def command(folder, port):
    return [sys.executable, "-m", "waitress", "--host=127.0.0.1", "--port=%d" % port, "httpbin:app"], {}


def published(base):
    return harness.document(base + "/spec.json")


def exercise(base):
    api = harness.Api(base, {"User-Agent": "exerciser/1"})
    for number, person in enumerate(PEOPLE):
        echo(api, number, person)
        let_in(api, number, person)
        answer(api, number)
        cache(api, number)
        redirect(api, base, number)
        cookies(api, number, person)
    for method in METHODS:
        for number, person in enumerate(PEOPLE):
            any_method(api, method, number, person)
    plain(api)


def echo(api, number, person):
    order = {"customer": person, "lines": [{"sku": "A-%d" % number, "count": number + 1}], "gift": number % 2 == 0}
    api.get("/get", params={"page": number, "name": person})
    api.post("/post", 200, json=order)
    api.put("/put", json=order)
    api.patch("/patch", json={"gift": True})
    api.delete("/delete", 200, params={"hard": "true"})
    api.post("/post", 200, data={"name": person, "age": 20 + number})
    for path in ("/headers", "/ip", "/user-agent", "/uuid", "/json"):
        api.get(path)


def let_in(api, number, person):
    password = "pw%d" % number
    basic = "Basic " + base64.b64encode(("%s:%s" % (person, password)).encode()).decode()
    for path in ("/basic-auth", "/hidden-basic-auth"):
        api.get("%s/%s/%s" % (path, person, password), headers={"Authorization": basic})
        api.get("%s/%s/wrong" % (path, person), 401 if path[1] == "b" else 404, headers={"Authorization": basic})
    api.get("/bearer", headers={"Authorization": "Bearer " + uuid.uuid4().hex})
    api.get("/bearer", 401)
    qop = ("auth", "auth-int")[number % 2]
    api.get("/digest-auth/%s/%s/%s" % (qop, person, password), 401)
    api.get("/digest-auth/%s/%s/%s/%s" % (qop, person, password, ("MD5", "SHA-256")[number % 2]), 401)
    api.get("/digest-auth/%s/%s/%s/MD5/%s" % (qop, person, password, ("never", "always")[number % 2]), 401)


def answer(api, number):
    code = (200, 201, 202, 204, 400, 403, 404, 409, 418, 429, 500, 503)[number]
    for method in METHODS:
        api(method, "/status/%d" % code)
    api.get("/bytes/%d" % (16 + number), params={"seed": number})
    api.get("/stream-bytes/%d" % (64 + number), params={"seed": number, "chunk_size": 16})
    api.get("/stream/%d" % (number + 1))
    api.get("/drip", params={"numbytes": number + 1, "duration": 0, "delay": 0, "code": 200})
    api.get("/range/%d" % (100 + number), 206 if number % 2 else 200, headers={"Range": "bytes=0-9"} if number % 2 else None)
    api.get("/links/%d/%d" % (number + 2, number))
    api.get("/base64/" + base64.urlsafe_b64encode(b"a word and %d" % number).decode())
    api.get("/response-headers", params={"X-Answer": "word%d" % number})
    api.post("/response-headers", 200, params={"X-Answer": "word%d" % number})
    if number < 4:
        for method in METHODS:
            api(method, "/delay/0.0%d" % number, 200)


def cache(api, number):
    api.get("/cache")
    api.get("/cache", 304, headers={"If-None-Match": '"tag%d"' % number})
    api.get("/cache/%d" % (60 * (number + 1)))
    api.get("/etag/tag%d" % number)
    api.get("/etag/tag%d" % number, 304, headers={"If-None-Match": '"tag%d"' % number})


def redirect(api, base, number):
    for path in ("/redirect", "/relative-redirect", "/absolute-redirect"):
        api.get("%s/%d" % (path, number % 4 + 1))
    for method in METHODS:
        api(method, "/redirect-to", 302, params={"url": base + "/get", "status_code": 302}, allow_redirects=False)


def cookies(api, number, person):
    api.get("/cookies/set", params={"visitor": person})
    api.get("/cookies/set/seen/%d" % number)
    api.get("/cookies")
    api.get("/cookies/delete", params={"visitor": ""})


def any_method(api, method, number, person):
    api(method, "/anything", 200, json={"name": person, "number": number})
    api(method, "/anything/" + person, 200, params={"number": number})


def plain(api):
    for _ in range(4):
        for path in ("/html", "/xml", "/robots.txt", "/deny", "/encoding/utf8", "/gzip", "/deflate", "/brotli", "/forms/post"):
            api.get(path)
        for kind in ("png", "jpeg", "webp", "svg"):
            api.get("/image/" + kind)
        api.get("/image", headers={"Accept": "image/png"})
        api.get("/image", 406, headers={"Accept": "text/plain"})


if __name__ == "__main__":
    harness.main(command, published, exercise)
