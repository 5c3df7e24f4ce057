"""LoopBack's list of things to do, as its makers publish it, with a memory for a database."""

import os
import shutil

import harness

PACKAGE = os.path.join(os.environ.get("REAL_NODE", ""), "node_modules/@loopback/example-todo")
THINGS = "bread milk rent taxes dentist passport bicycle garden windows attic piano letters".split()


def command(folder, port):
    data = os.path.join(folder, "data")
    os.mkdir(data)
    shutil.copy(os.path.join(PACKAGE, "data/db.json"), data)
    start = "require(%r).main({rest: {port: %d, host: '127.0.0.1'}})" % (PACKAGE, port)
    return ["node", "-e", start], {}


def published(base):
    return harness.document(base + "/openapi.json")


def exercise(base):
    api = harness.Api(base)
    for number in range(48):
        thing = THINGS[number % len(THINGS)]
        todo = {"title": "%s, number %d" % (thing, number)}
        if number % 2:
            todo["desc"] = "see to the " + thing
        if number % 3 == 0:
            todo["isComplete"] = number % 6 == 0
        made = api.post("/todos", 200, json=todo).json()
        use(api, made, number)
    for title in THINGS:
        ask(api, title)
    fail(api)


def use(api, todo, number):
    path = "/todos/%d" % todo["id"]
    api.get(path)
    if number % 4 == 0:
        api.put(path, 204, json={**todo, "title": todo["title"] + ", at last", "isComplete": True})
    if number % 4 == 1:
        api.patch(path, 204, json={"isComplete": True})
    if number % 4 == 2:
        api.patch(path, 204, json={"desc": "somebody else does it"})
    if number % 8 == 7:
        api.delete(path)
        api.get(path, 404)


def ask(api, title):
    api.get("/todos")
    api.get("/todos", params={"filter[limit]": 5, "filter[skip]": 2, "filter[order]": "title ASC"})
    api.get("/todos", params={"filter": '{"where": {"isComplete": true}, "fields": ["id", "title"]}'})
    api.get("/todos/1", params={"filter": '{"fields": {"title": true}}'})
    api.get("/todos/count")
    api.get("/todos/count", params={"where": '{"isComplete": true}'})
    api.get("/todos/count", params={"where[isComplete]": "true"})
    api.patch("/todos", 200, params={"where": '{"title": {"like": "%s"}}' % title}, json={"desc": "all of " + title})


def fail(api):
    for number in range(5):
        api.get("/todos/%d" % (4000 + number), 404)
        api.post("/todos", 422, json={"desc": "without a title"})
        api.post("/todos", 422, json={"title": number})
        api.patch("/todos/1", 422, json={"isComplete": "perhaps"})
        api.get("/todos/word%d" % number, 400)


if __name__ == "__main__":
    harness.main(command, published, exercise)
