"""Kinto, a store of JSON documents, with its own client: two shops and their articles, orders and staff."""

import os
import sys

import harness

PEOPLE = "ada alan barbara dennis edsger frances grace john ken leslie margaret niklaus".split()
SETTINGS = """\
[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = %(port)d
[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.default_bucket kinto.plugins.history kinto.plugins.accounts kinto.plugins.flush
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = for-tests-only
kinto.default_bucket_hmac_secret = for-tests-only
kinto.experimental_collection_schema_validation = true
kinto.experimental_permissions_endpoint = true
multiauth.policies = account
multiauth.policy.account.use = kinto.plugins.accounts.AccountsPolicy
kinto.account_create_principals = system.Everyone
kinto.bucket_create_principals = system.Authenticated
kinto.flush_endpoint_enabled = true
"""


def command(folder, port):
    settings = os.path.join(folder, "kinto.ini")
    with open(settings, "w", encoding="utf-8") as file:
        file.write(SETTINGS % {"port": port})
    start = "from kinto.__main__ import main; main()"
    return [sys.executable, "-c", start, "start", "--ini", settings], {}


def published(base):
    return harness.document(base + "/v1/__api__")


def exercise(base):
    base += "/v1"
    administrate(base)
    for number, shop in enumerate(("books", "bicycles", "instruments")):
        owner = client(base, PEOPLE[number])
        fill(owner, shop, number)
        look(harness.Api(base, auth=(PEOPLE[number], "secret-%d" % number)), shop)
        tidy(harness.Api(base, auth=(PEOPLE[number], "secret-%d" % number)), owner, shop)
    alone(base)
    fail(base)
    harness.Api(base, auth=("ada", "secret-0")).post("/__flush__", 202)


def client(base, person):
    import kinto_http

    return kinto_http.Client(server_url=base, auth=(person, "secret-%d" % PEOPLE.index(person)))


def administrate(base):
    public = harness.Api(base)
    for number, person in enumerate(PEOPLE):
        public.put("/accounts/" + person, 201, json={"data": {"password": "secret-%d" % number}})
        own = harness.Api(base, auth=(person, "secret-%d" % number))
        own.get("/")
        own.get("/accounts/" + person)
        own.get("/accounts")
    for path in ("/", "/__heartbeat__", "/__lbheartbeat__", "/__version__", "/contribute.json"):
        for _ in range(3):
            public("GET", path)
    public.post("/accounts", 201, json={"data": {"id": "visitor", "password": "secret"}})
    own = harness.Api(base, auth=("niklaus", "secret-11"))
    own.patch("/accounts/niklaus", json={"data": {"password": "secret-12"}})
    harness.Api(base, auth=("niklaus", "secret-12")).delete("/accounts/niklaus", 200)


def fill(owner, shop, number):
    owner.create_bucket(id=shop, data={"town": "Oslo", "open": number != 1}, permissions={"read": ["system.Everyone"]})
    owner.get_bucket(id=shop)
    owner.update_bucket(id=shop, data={"town": "Bergen", "open": True})
    owner.patch_bucket(id=shop, data={"floor": number})
    for group in ("staff", "drivers", "cleaners", "night-shift", "accounting", "press", "board", "guests"):
        owner.create_group(id=group, bucket=shop, data={"members": ["account:" + person for person in PEOPLE[3:6]]})
        owner.get_group(id=group, bucket=shop)
    owner.update_group(id="staff", bucket=shop, data={"members": ["account:grace"], "shift": "early"})
    owner.patch_group(id="staff", bucket=shop, data={"shift": "late"})
    for collection in ("articles", "orders", "drafts", "returns", "suppliers", "reviews", "leaflets"):
        owner.create_collection(id=collection, bucket=shop, data={"sort": "name"}, permissions={"write": ["account:ken"]})
        owner.get_collection(id=collection, bucket=shop)
        owner.patch_collection(id=collection, bucket=shop, data={"displayFields": ["name", "price"]})
    owner.update_collection(id="articles", bucket=shop, data={"sort": "-price"})
    for item in range(20):
        article(owner, shop, item)
        order(owner, shop, item)
    with owner.batch(bucket=shop, collection="drafts") as batch:
        for item in range(5):
            batch.create_record(data={"name": "draft %d" % item, "price": item})


def article(owner, shop, item):
    data = {"name": "article %d" % item, "price": 5.5 + item, "stock": item, "tags": ["new", "sale"][: item % 3],
            "size": {"width": item + 1, "height": 2 * item}, "since": "2026-01-%02d" % (item + 1)}
    record = owner.create_record(id="article-%d" % item, data=data, bucket=shop, collection="articles")["data"]
    owner.get_record(id=record["id"], bucket=shop, collection="articles")
    if item % 3 == 0:
        owner.patch_record(id=record["id"], data={"stock": 0, "note": None}, bucket=shop, collection="articles")
    if item % 4 == 0:
        owner.update_record(data={**data, "id": record["id"], "price": 1.5}, bucket=shop, collection="articles")
    if item % 5 == 4:
        owner.delete_record(id=record["id"], bucket=shop, collection="articles")


def order(owner, shop, item):
    lines = [{"article": "article-%d" % line, "count": line + 1} for line in range(item % 4 + 1)]
    data = {"customer": PEOPLE[item % 6], "lines": lines, "paid": item % 2 == 0}
    owner.create_record(data=data, bucket=shop, collection="orders")


def look(api, shop):
    articles = "/buckets/%s/collections/articles/records" % shop
    for query in ({"_sort": "-price", "_limit": 5}, {"_fields": "name,price"}, {"min_price": 8, "max_stock": 12}, {"_since": 1},
                  {"in_stock": "1,2,3"}, {"has_note": "true"}, {"like_name": "article 1"}, {"name": "article 2"}):
        api.get(articles, params=query)
    page = api.get(articles, params={"_limit": 7, "_sort": "name"})
    while "Next-Page" in page.headers:
        page = api.session.get(page.headers["Next-Page"])
    api("HEAD", articles)
    api.get(articles, 304, headers={"If-None-Match": page.headers["ETag"]})
    for path in ("/buckets", "/buckets/%s/groups" % shop, "/buckets/%s/collections" % shop, "/buckets/%s/history" % shop):
        api.get(path)
        api.get(path, params={"_limit": 2, "_sort": "last_modified"})
    for entry in api.get("/buckets/%s/history" % shop, params={"_limit": 6}).json()["data"]:
        api("GET", "/buckets/%s/history/%s" % (shop, entry["id"]))
    api.get("/permissions")
    for path in ("/buckets", "/buckets/%s/groups" % shop, "/buckets/%s/collections" % shop):
        data = {"members": []} if path.endswith("groups") else {"by": "post"}
        api.post(path, json={"data": data})


def tidy(api, owner, shop):
    items = "/buckets/%s/collections/articles/records/article-" % shop
    api.patch(items + "1", headers={"Content-Type": "application/json-patch+json"},
              json=[{"op": "replace", "path": "/data/stock", "value": 3}])
    api.put(items + "2", 412, json={"data": {"name": "late"}}, headers={"If-Match": '"1"'})
    owner.delete_records(bucket=shop, collection="drafts")
    owner.delete_collection(id="drafts", bucket=shop)
    owner.delete_group(id="drivers", bucket=shop)
    api.delete("/buckets/%s/groups" % shop, 200)
    api.delete("/buckets/%s/history" % shop, 200)
    if shop == "instruments":
        api.delete("/buckets/%s/collections" % shop, 200)
        api.delete("/buckets/" + shop, 200)
        api.delete("/buckets", 200)


def alone(base):
    """The default bucket: each has their own, made when it is first written to."""
    for number, person in enumerate(PEOPLE[:8]):
        api = harness.Api(base, auth=(person, "secret-%d" % number))
        api.put("/buckets/default/collections/notes/records/first", 201, json={"data": {"text": "of " + person}})
        api.post("/buckets/default/collections/notes/records", 201, json={"data": {"text": "more"}})
        api.get("/buckets/default/collections/notes/records")
        api.get("/buckets/default")


def fail(base):
    api = harness.Api(base, auth=("ada", "secret-0"))
    for number in range(4):
        api.get("/buckets/missing-%d" % number, 403)
        api.get("/buckets/books/collections/articles/records/none-%d" % number, 404)
        api.post("/buckets/books/collections/articles/records", 400, data="{", headers={"Content-Type": "application/json"})
        api.put("/buckets/books/groups/wrong", 400, json={"data": {"members": "nobody"}})
        harness.Api(base, auth=("ada", "wrong")).post("/buckets", 401, json={})
        api.post("/batch", 400, json={"requests": "none"})


if __name__ == "__main__":
    harness.main(command, published, exercise)
