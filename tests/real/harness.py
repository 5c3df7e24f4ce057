"""What the scripts of the real programs share: how one is started, what it publishes, and what its client said and heard.

Each script defines

    command(folder, port)    the server's arguments and environment; prepares its state in the folder
    published(base)          its own OpenAPI document, as it publishes it
    exercise(base)           its API in use

and is run as SCRIPT serve|publish|exercise FOLDER PORT. `serve` becomes the server; `publish` waits until it answers and writes
published.json; `exercise` writes traffic.har. The client is `requests`, or something on top of it: every exchange is kept.
"""

import base64
import json
import os
import sys
import time

import requests

#: The first call of a server that has to load its code and make its tables.
PATIENCE = 60
TIMEOUT = 20


class Recorder:
    """Every exchange of `requests` in this process, as HTTP archive (HAR 1.2)."""

    def __init__(self):
        self.entries = []
        send = requests.Session.send

        def recorded(session, request, **options):
            options["timeout"] = options.get("timeout") or TIMEOUT
            answer = send(session, request, **options)
            # Redirects are followed by way of this function, so what remains is the first answer.
            self.keep(request, answer.history[0] if answer.history else answer)
            return answer

        requests.Session.send = recorded

    def keep(self, request, answer):
        sent = {"method": request.method, "url": request.url, "headers": pairs(request.headers)}
        if request.body is not None:
            body = request.body if isinstance(request.body, str) else bytes(request.body).decode("utf-8", "replace")
            sent["postData"] = {"mimeType": request.headers.get("Content-Type", ""), "text": body}
        media = answer.headers.get("Content-Type", "")
        content = {"mimeType": media, "size": len(answer.content), "text": text(answer)}
        got = {"status": answer.status_code, "headers": pairs(answer.headers), "content": content}
        self.entries.append({"request": sent, "response": got})

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"log": {"version": "1.2", "entries": self.entries}}, file)


def pairs(headers):
    return [{"name": name, "value": text if isinstance(text, str) else text.decode()} for name, text in headers.items()]


def text(answer):
    """JSON is UTF-8 (RFC 8259 §8.1), whatever the content type leaves open."""
    if "json" in answer.headers.get("Content-Type", ""):
        return answer.content.decode("utf-8", "replace")
    return answer.text if answer.encoding else base64.b64encode(answer.content).decode()


class Api:
    """Calls below one address, with the headers of one caller."""

    def __init__(self, base, headers=None, auth=None):
        self.base, self.session = base, requests.Session()
        self.session.headers.update(headers or {})
        self.session.auth = auth

    def __call__(self, method, path, expect=None, **options):
        answer = self.session.request(method, self.base + path, **options)
        # A script that does not get what it asks for would exercise less than it says.
        if expect is not None and answer.status_code != expect:
            raise SystemExit("%s %s: %d, not %d: %s" % (method, path, answer.status_code, expect, answer.text[:500]))
        return answer

    def get(self, path, expect=200, **options):
        return self("GET", path, expect, **options)

    def post(self, path, expect=201, **options):
        return self("POST", path, expect, **options)

    def put(self, path, expect=200, **options):
        return self("PUT", path, expect, **options)

    def patch(self, path, expect=200, **options):
        return self("PATCH", path, expect, **options)

    def delete(self, path, expect=204, **options):
        return self("DELETE", path, expect, **options)


def main(command, published, exercise):
    task, folder, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    base = "http://127.0.0.1:%d" % port
    if task == "serve":
        serve(folder, *command(folder, port))
    elif task == "publish":
        document = patiently(lambda: published(base))
        with open(os.path.join(folder, "published.json"), "w", encoding="utf-8") as file:
            # YAML knows dates and numbers as keys, JSON does not.
            json.dump(document, file, default=str)
    elif task == "exercise":
        recorder = Recorder()
        exercise(base)
        recorder.write(os.path.join(folder, "traffic.har"))
    else:
        raise SystemExit(__doc__)


def serve(folder, arguments, environment):
    os.chdir(folder)
    # Nothing leaves this machine: whatever a program would fetch from outside ends at a port where nobody listens.
    nowhere = dict.fromkeys(["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"], "http://127.0.0.1:9")
    os.execvpe(arguments[0], arguments, {**os.environ, **nowhere, "HOME": folder, **environment})


def patiently(ask):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except (requests.RequestException, AssertionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def document(url, **options):
    answer = requests.get(url, timeout=TIMEOUT, **options)
    assert answer.status_code == 200, answer.text[:500]
    return answer.json()
