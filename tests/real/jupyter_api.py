"""Jupyter Server: notebooks in folders, kernels, sessions, terminals and settings."""

import os
import sys

import harness

TOKEN = "4f1c2a9d8e7465b0"
FOLDERS = "data figures letters models notes plans".split()
COURSE = "algebra biology chemistry drama economics french geography history".split()


def command(folder, port):
    work = os.path.join(folder, "work")
    os.mkdir(work)
    options = {"ServerApp.ip": "127.0.0.1", "ServerApp.port": port, "ServerApp.root_dir": work, "ServerApp.port_retries": 0,
               "IdentityProvider.token": TOKEN, "ServerApp.open_browser": "False", "ServerApp.allow_root": "True",
               "ServerApp.jpserver_extensions": "jupyter_server_terminals=True"}
    places = {name: os.path.join(folder, name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    return [sys.executable, "-m", "jupyter_server"] + ["--%s=%s" % option for option in options.items()], places


def published(base):
    import jupyter_server
    import yaml

    harness.document(base + "/api")
    path = os.path.join(os.path.dirname(jupyter_server.__file__), "services/api/api.yaml")
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def exercise(base):
    api = harness.Api(base, {"Authorization": "token " + TOKEN})
    for _ in range(4):
        for path in ("/api", "/api/status", "/api/me", "/api/kernelspecs", "/api/spec.yaml"):
            api.get(path)
    for folder in FOLDERS:
        api.put("/api/contents/" + folder, 201, json={"type": "directory"})
        for number, subject in enumerate(COURSE):
            write(api, folder, subject, number)
        clean(api, folder)
    for path in [""] + FOLDERS:
        api.get("/api/contents/" + path)
        api.get("/api/contents/" + path, params={"content": 0, "type": "directory"})
    compute(api)
    settle(api)
    fail(base, api)


def write(api, folder, subject, number):
    path = "/api/contents/%s/%s" % (folder, subject)
    api.put(path + ".ipynb", 201, json={"type": "notebook", "format": "json", "content": notebook(subject, number)})
    api.put(path + ".txt", 201, json={"type": "file", "format": "text", "content": "about %s\n" % subject})
    api.get(path + ".ipynb")
    api.get(path + ".ipynb", params={"content": 0})
    api.get(path + ".txt", params={"type": "file", "format": "text", "content": 1, "hash": 1})
    checkpoints = path + ".ipynb/checkpoints"
    made = api.post(checkpoints).json()
    api.get(checkpoints)
    api.post("%s/%s" % (checkpoints, made["id"]), 204)
    if number % 2:
        api.delete("%s/%s" % (checkpoints, made["id"]))
        api.patch(path + ".txt", json={"path": "%s/%s.md" % (folder, subject)})
    if number % 3 == 0:
        api.delete(path + ".ipynb")
    else:
        api.put(path + ".ipynb", json={"type": "notebook", "content": notebook(subject, number + 1)})


def notebook(subject, number):
    code = {"cell_type": "code", "execution_count": number or None, "id": "c%d" % number, "metadata": {}, "source": "1 + %d" % number,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "%d" % number}] if number else []}
    text = {"cell_type": "markdown", "id": "m%d" % number, "metadata": {}, "source": "# " + subject}
    return {"cells": [text, code], "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}


def clean(api, folder):
    new = api.post("/api/contents/" + folder, json={"type": "notebook"}).json()
    api.post("/api/contents/" + folder, json={"type": "file", "ext": ".csv"})
    api.post("/api/contents/" + folder, json={"copy_from": new["path"]})
    api.delete("/api/contents/" + new["path"])


def compute(api):
    for number, subject in enumerate(COURSE[:4]):
        kernel = api.post("/api/kernels", json={"name": "python3", "path": "notes"} if number % 2 else None).json()
        api.get("/api/kernels")
        api.get("/api/kernels/" + kernel["id"])
        api.post("/api/kernels/%s/interrupt" % kernel["id"], 204)
        session = {"path": "notes/%s.ipynb" % subject, "name": subject, "type": "notebook", "kernel": {"id": kernel["id"]}}
        session = api.post("/api/sessions", json=session).json()
        api.get("/api/sessions")
        api.get("/api/sessions/" + session["id"])
        api.patch("/api/sessions/" + session["id"], json={"name": subject + " again"})
        if number == 0:
            api.post("/api/kernels/%s/restart" % kernel["id"], 200)
        if number % 2:
            api.delete("/api/sessions/" + session["id"])
        else:
            api.delete("/api/kernels/" + kernel["id"])
        terminal = api.post("/api/terminals", 200).json()
        api.get("/api/terminals")
        api.get("/api/terminals/" + terminal["name"])
        if number % 2 == 0:
            api.delete("/api/terminals/" + terminal["name"])


def settle(api):
    for number, section in enumerate(("notebook", "tree", "edit", "terminal", "common")):
        api.patch("/api/config/" + section, json={"theme": "dark", "indent": number, "keys": {"save": "ctrl-s"}})
        api.get("/api/config/" + section)


def fail(base, api):
    for number in range(4):
        api.get("/api/contents/notes/none%d.ipynb" % number, 404)
        api.get("/api/kernels/0000000%d-1111-4222-8333-444444444444" % number, 404)
        api.get("/api/sessions/0000000%d-1111-4222-8333-444444444444" % number, 404)
        api.put("/api/contents/notes/bad%d.ipynb" % number, 400, data="{", headers={"Content-Type": "application/json"})
        harness.Api(base).get("/api/sessions", 403)
        harness.Api(base, {"Authorization": "token wrong"}).get("/api/contents/notes", 403)


if __name__ == "__main__":
    harness.main(command, published, exercise)
