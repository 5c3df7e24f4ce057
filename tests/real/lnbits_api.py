"""LNbits, accounts and wallets for small payments (FastAPI): a club, its members, and what they pay one another."""

import importlib.util
import io
import os
import sys
import uuid

import harness
import requests

NAMES = "ada alan barbara dennis edsger frances grace john".split()
PASSWORD = "long enough %d"


def command(folder, port):
    settings = {
        "LNBITS_DATA_FOLDER": os.path.join(folder, "data"), "LNBITS_EXTENSIONS_PATH": os.path.join(folder, "extensions"),
        "LNBITS_BACKEND_WALLET_CLASS": "FakeWallet", "LNBITS_ADMIN_UI": "true", "LNBITS_RATE_LIMIT_NO": "100000",
        "FIRST_INSTALL_TOKEN": "first", "LNBITS_EXTENSIONS_MANIFESTS": "[]",
        "LNBITS_EXCHANGE_RATE_PROVIDERS": "[]", "LNBITS_PRICE_AGGREGATOR_ENABLED": "false", "AUTH_SECRET_KEY": "for-tests-only",
    }
    # It looks for its pages below the working directory.
    package = os.path.dirname(importlib.util.find_spec("lnbits").origin)
    os.symlink(package, os.path.join(folder, "lnbits"))
    start = "from lnbits.server import main; main()"
    return [sys.executable, "-c", start, "--host", "127.0.0.1", "--port", str(port)], settings


def published(base):
    # Before its first user is there it answers nothing else.
    first = {"username": "treasurer", "password": PASSWORD % 0, "password_repeat": PASSWORD % 0, "first_install_token": "first"}
    requests.put(base + "/api/v1/auth/first_install", json=first, timeout=harness.TIMEOUT)
    return harness.document(base + "/openapi.json")


def exercise(base):
    login = {"username": "treasurer", "password": PASSWORD % 0}
    token = harness.Api(base).post("/api/v1/auth", 200, json=login).json()["access_token"]
    admin = harness.Api(base, {"Authorization": "Bearer " + token})
    members = [join(base, number, name) for number, name in enumerate(NAMES)]
    for number, (member, account) in enumerate(members):
        wallets(base, member, number)
        label(member, account, number)
        guard(member, number)
    oversee(admin, [account for _, account in members])
    trade(base, [member for member, _ in members], admin)
    for member, _ in members:
        ask(base, member)
        assets(member)
    leave(members)
    fail(base, admin)


def join(base, number, name):
    public = harness.Api(base)
    secret = PASSWORD % number
    new = {"username": name, "password": secret, "password_repeat": secret}
    if number % 2:
        new["email"] = name + "@example.com"
    token = public.post("/api/v1/auth/register", 200, json=new).json()["access_token"]
    public.post("/api/v1/auth", 200, json={"username": name, "password": secret})
    public.session.cookies.clear()
    member = harness.Api(base, {"Authorization": "Bearer " + token})
    account = member.get("/api/v1/auth").json()
    member.patch("/api/v1/auth", json={"user_id": account["id"], "username": name, "extra": {"display_name": name.title()}})
    return member, account


def keyed(base, wallet):
    return harness.Api(base, {"X-API-KEY": wallet["adminkey"]})


def wallets(base, member, number):
    for purpose in ("dues", "travel", "coffee")[: number % 3 + 1]:
        member.post("/api/v1/wallet", 200, json={"name": purpose})
    all_of_them = member.get("/api/v1/wallets").json()
    member.get("/api/v1/wallet/paginated", params={"limit": 2, "offset": number % 2, "sortby": "name", "direction": "asc"})
    member.get("/api/v1/wallet/paginated", params={"search": "co"})
    for wallet in all_of_them:
        own = keyed(base, wallet)
        own.get("/api/v1/wallet")
        own.patch("/api/v1/wallet", json={"icon": "star", "color": "teal", "pinned": number % 2 == 0})
        harness.Api(base, {"X-API-KEY": wallet["inkey"]}).get("/api/v1/wallet")
    keyed(base, all_of_them[-1]).put("/api/v1/wallet/savings%d" % number)
    links = [{"lnurl": "lnurl1%d" % number, "label": "rent", "last_used": 1767225600 + number}]
    keyed(base, all_of_them[-1]).put("/api/v1/wallet/stored_paylinks/" + all_of_them[-1]["id"], json={"links": links})
    if number % 4 == 3:
        member.put("/api/v1/wallet/reset/" + all_of_them[-1]["id"])
        member.delete("/api/v1/wallet/" + all_of_them[-1]["id"], 200)


def label(member, account, number):
    labels = [{"name": "rent", "color": "#112233"}, {"name": "food%d" % number, "description": "what we eat", "color": "#445566"}]
    extra = {"labels": labels, "first_name": account["username"].title(), "visible_wallet_count": number + 1}
    member.patch("/api/v1/auth", json={"user_id": account["id"], "username": account["username"], "extra": extra})
    change = {"user_id": account["id"], "username": account["username"], "password_old": PASSWORD % number,
              "password": PASSWORD % number, "password_repeat": PASSWORD % number}
    member.put("/api/v1/auth/password", json=change)


def guard(member, number):
    """Access control lists and the tokens they give."""
    lists = member.put("/api/v1/auth/acl", json={"id": "", "name": "machine", "password": PASSWORD % number}).json()
    acl = next(acl for acl in lists["access_control_list"] if acl["name"] == "machine")
    acl["endpoints"] = [{**endpoint, "read": True} for endpoint in acl["endpoints"]]
    member.put("/api/v1/auth/acl", json={**acl, "password": PASSWORD % number})
    wish = {"acl_id": acl["id"], "token_name": "nightly", "password": PASSWORD % number, "expiration_time_minutes": 60}
    token = member.post("/api/v1/auth/acl/token", 200, json=wish).json()
    member.get("/api/v1/auth/acl")
    member.delete("/api/v1/auth/acl/token", 200, json={"id": token["id"], "acl_id": acl["id"], "password": PASSWORD % number})
    member.delete("/api/v1/auth/acl", 200, json={"id": acl["id"], "password": PASSWORD % number})


def oversee(admin, accounts):
    users = "/users/api/v1/user"
    for number, account in enumerate(accounts):
        user = "%s/%s" % (users, account["id"])
        admin.get(user)
        wallet = admin.post(user + "/wallet", 200, json={"name": "allowance"}).json()
        admin.put("/users/api/v1/balance", json={"id": wallet["id"], "amount": 1000 + number})
        admin.get(user + "/wallet")
        admin.put(user + "/reset_password")
        spare = admin.post(user + "/wallet", 200, json={"name": "spare"}).json()
        admin.delete("%s/wallet/%s" % (user, spare["id"]), 200)
        if number % 2:
            admin.put("%s/wallet/%s/undelete" % (user, spare["id"]))
        guest = {"username": "guest%d" % number, "password": "guest guest", "password_repeat": "guest guest", "extensions": []}
        guest = admin.post(users, 200, json=guest).json()
        admin.put("%s/%s" % (users, guest["id"]), json={"id": guest["id"], "username": guest["username"], "email": "guest%d@example.com" % number})
        admin.put("%s/%s/admin" % (users, guest["id"]))
        admin.delete("%s/%s/wallets" % (users, guest["id"]), 200)
        admin.delete("%s/%s" % (users, guest["id"]), 200)
    for page in range(4):
        admin.get(users, params={"limit": 5, "offset": 5 * page, "sortby": "username", "direction": "desc"})
        admin.get(users, params={"username": NAMES[page]})
        admin.get("/audit/api/v1", params={"limit": 10, "offset": 10 * page, "request_method": ("GET", "POST")[page % 2]})
        admin.get("/audit/api/v1/stats", params={"component": "core"})
        for path in ("/admin/api/v1/settings", "/admin/api/v1/audit", "/admin/api/v1/monitor", "/admin/api/v1/settings/default"):
            admin.get(path, params={"field_name": "lnbits_site_title"} if path.endswith("default") else None)
        admin.patch("/admin/api/v1/settings", json={"lnbits_site_title": "club %d" % page, "lnbits_service_fee_max": page})


def trade(base, members, admin):
    """Each invoices the next one, in a ring; some invoices are never paid."""
    purses = [keyed(base, member.get("/api/v1/wallets").json()[-1]) for member in members]
    for member in members:
        admin.put("/users/api/v1/balance", json={"id": member.get("/api/v1/wallets").json()[-1]["id"], "amount": 500})
    for number, purse in enumerate(purses):
        payer = purses[(number + 1) % len(purses)]
        for amount in (10 + number, 21):
            wish = {"out": False, "amount": amount, "memo": "share of %s" % NAMES[number], "unit": "sat"}
            if amount % 3 == 0:
                wish["extra"] = {"tag": "dues"}
            invoice = purse.post("/api/v1/payments", 201, json=wish).json()
            harness.Api(base).post("/api/v1/payments/decode", 200, json={"data": invoice["bolt11"]})
            harness.Api(base).get("/api/v1/payments/fee-reserve", params={"invoice": invoice["bolt11"]})
            if amount != 21:
                payer.post("/api/v1/payments", json={"out": True, "bolt11": invoice["bolt11"]})
            purse.get("/api/v1/payments/" + invoice["payment_hash"])
            harness.Api(base).get("/api/v1/payments/" + invoice["payment_hash"])
            purse.put("/api/v1/payments/%s/labels" % invoice["payment_hash"], json={"labels": ["rent"]})
            purse.patch("/api/v1/payments/extra", 200 if amount != 21 else 400, json={"payment_hash": invoice["payment_hash"], "extra": {"note": "seen"}})
        ledger(purse, members[number])


def ledger(purse, member):
    purse.get("/api/v1/payments", params={"limit": 3, "offset": 1, "sortby": "amount", "direction": "desc"})
    purse.get("/api/v1/payments/paginated", params={"limit": 5, "status[eq]": "success"})
    purse.get("/api/v1/payments/paginated", params={"memo[like]": "share"})
    purse.get("/api/v1/payments/history", params={"group": "day"})
    member.get("/api/v1/payments/all/paginated", params={"limit": 5})
    for path in ("count", "breakdown", "wallets", "daily"):
        parameters = {"count_by": "status"} if path == "count" else None
        (purse if path == "breakdown" else member).get("/api/v1/payments/stats/" + path, params=parameters)
    short = purse.post("/api/v1/tinyurl", 200, params={"url": "https://example.com/" + uuid.uuid4().hex, "endless": "false"}).json()
    purse.get("/api/v1/tinyurl/" + short["id"])
    purse("GET", "/t/" + short["id"], 307, allow_redirects=False)
    purse.delete("/api/v1/tinyurl/" + short["id"], 200)


def ask(base, member):
    public = harness.Api(base)
    for path in ("/api/v1/health", "/api/v1/currencies"):
        public.get(path)
    public.get("/api/v1/qrcode/" + uuid.uuid4().hex)
    public.get("/api/v1/qrcode", params={"data": "lightning:" + uuid.uuid4().hex})
    member.get("/api/v1/rate/history")
    member.get("/api/v1/status")
    public.post("/api/v1/account", 200, json={"name": "a purse"})


#: A picture of one pixel (PNG).
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082")


def assets(member):
    for name in ("logo.png", "portrait.png"):
        asset = member.post("/api/v1/assets", 200, files={"file": (name, io.BytesIO(PIXEL), "image/png")}).json()
        path = "/api/v1/assets/" + asset["id"]
        member.get(path)
        member.put(path, json={"name": "new " + name, "is_public": name[0] == "l"})
        member.get(path + "/data")
        member.get(path + "/thumbnail")
        member.get("/api/v1/assets/paginated", params={"limit": 3, "offset": 0})
        if name[0] == "p":
            member.delete(path, 200)


def leave(members):
    for member, _ in members[:4]:
        member.patch("/api/v1/auth/ui", 200, json={"theme": "dark"})
        member.post("/api/v1/auth/logout", 200)


def fail(base, admin):
    public = harness.Api(base)
    for number in range(4):
        public.post("/api/v1/auth", 401, json={"username": NAMES[number], "password": "wrong wrong"})
        public.post("/api/v1/auth/register", 400, json={"username": "x", "password": "y", "password_repeat": "z"})
        public.get("/api/v1/wallets", 401)
        public.post("/api/v1/payments", 401, json={"out": False, "amount": 1})
        public.get("/api/v1/payments/" + uuid.uuid4().hex * 2, 404)
        admin.get("/users/api/v1/user/" + uuid.uuid4().hex, 404)
        public.post("/api/v1/payments/decode", 400, json={})


if __name__ == "__main__":
    harness.main(command, published, exercise)
