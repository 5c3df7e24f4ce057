"""Makes planned calls, every connection its own one after the other, all connections at once: planned.py WITH PORT PLAN.

WITH is `http` (http.client, a thread for each connection), `httpx` (asyncio), `curl_cffi`, or the file of a libcurl. PLAN is a file: for
each connection a list of [method, target, length of the body]. Says `ready`, waits for a line, and says of each connection
[its local port, status, length of the answer] for each of its calls."""

import ctypes
import json
import ssl
import sys
import threading

how, port, plan = sys.argv[1], int(sys.argv[2]), json.load(open(sys.argv[3]))
told = [[] for _ in plan]


def by_http(number):
    import http.client

    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
    for method, target, length in plan[number]:
        connection.request(method, target, b"b" * length if length else None)
        local = connection.sock.getsockname()[1]
        response = connection.getresponse()
        told[number].append([local, response.status, len(response.read())])
    connection.close()


def by_curl(number):
    curl = ctypes.CDLL(how)
    curl.curl_easy_init.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(curl.curl_easy_init())
    received = [0]

    @ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
    def count(_, size, number, __):
        received[0] += size * number
        return size * number

    def number_of(what):
        value = ctypes.c_long()
        curl.curl_easy_getinfo(handle, what, ctypes.byref(value))
        return value.value

    # curl.h: what is set, by the kind of its value (long, object, function).
    def option(what, value):
        if curl.curl_easy_setopt(handle, ctypes.c_int(what), value):
            raise RuntimeError(f"curl has no option {what}")

    no_signals, verify_peer, verify_host, version = 99, 64, 81, 84
    for what, value in ((no_signals, 1), (verify_peer, 0), (verify_host, 0), (version, 2)):
        option(what, ctypes.c_long(value))
    option(20011, count)
    # No `Expect: 100-continue`, and no type of what is posted.
    curl.curl_slist_append.restype = ctypes.c_void_p
    option(10023, ctypes.c_void_p(curl.curl_slist_append(None, b"Expect:")))
    for method, target, length in plan[number]:
        body = b"b" * length
        received[0] = 0
        option(10002, f"https://127.0.0.1:{port}{target}".encode())
        if length:
            option(60, ctypes.c_long(length))
            option(10015, ctypes.c_char_p(body))
        else:
            option(80, ctypes.c_long(1))
        option(10036, method.encode())
        if failed := curl.curl_easy_perform(handle):
            raise RuntimeError(f"curl: {failed}")
        told[number].append([number_of(0x200000 + 42), number_of(0x200000 + 2), received[0]])
    curl.curl_easy_cleanup(handle)


def by_curl_cffi(number):
    session = requests.Session(verify=False, http_version=CurlHttpVersion.V1_1, curl_infos=[CurlInfo.LOCAL_PORT])
    for method, target, length in plan[number]:
        body = b"b" * length if length else None
        response = session.request(method, f"https://127.0.0.1:{port}{target}", data=body, headers={"Expect": ""})
        local = response.infos[CurlInfo.LOCAL_PORT]
        told[number].append([local, response.status_code, len(response.content)])
    session.close()


def in_threads(talk):
    threads = [threading.Thread(target=talk, args=(number,)) for number in range(len(plan))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def by_httpx():
    import asyncio

    import httpx

    async def talk(number):
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        async with httpx.AsyncClient(verify=False, limits=limits, timeout=60) as client:
            for method, target, length in plan[number]:
                url = f"https://127.0.0.1:{port}{target}"
                content = b"b" * length if length else None
                async with client.stream(method, url, content=content) as response:
                    local = response.extensions["network_stream"].get_extra_info("client_addr")[1]
                    body = await response.aread()
                told[number].append([local, response.status_code, len(body)])

    async def talk_all():
        await asyncio.gather(*(talk(number) for number in range(len(plan))))

    asyncio.run(talk_all())


if how == "curl_cffi":
    # A library that is loaded later is found within a second; here every call counts.
    from curl_cffi import CurlHttpVersion, CurlInfo, requests
print("ready", flush=True)
sys.stdin.readline()
if how == "httpx":
    by_httpx()
else:
    in_threads({"http": by_http, "curl_cffi": by_curl_cffi}.get(how, by_curl))
print(json.dumps(told))
