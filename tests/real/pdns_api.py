"""PowerDNS Authoritative Server, with its zones in SQLite: two hosting customers, their zones, keys and records."""

import os
import sqlite3

import harness

KEY = "b3f1c2a9d8e74650"
SCHEMA = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"
#: What may be said of a zone, of which the server knows a fixed set.
KINDS = {
    "ALSO-NOTIFY": ["127.0.0.2:5399"], "ALLOW-AXFR-FROM": ["AUTO-NS", "192.0.2.0/24"], "ALLOW-DNSUPDATE-FROM": ["192.0.2.7"],
    "NOTIFY-DNSUPDATE": ["1"], "IXFR": ["1"], "PUBLISH-CDS": ["2"], "TSIG-ALLOW-DNSUPDATE": ["elm"], "X-CUSTOMER": ["gold"],
}
SERVER = "/api/v1/servers/localhost"
NAMES = "alder birch cedar dogwood elm fir ginkgo hazel ironwood juniper larch maple oak pine rowan spruce".split()


def command(folder, port):
    database = os.path.join(folder, "zones.sqlite3")
    with open(SCHEMA, encoding="utf-8") as schema:
        sqlite3.connect(database).executescript(schema.read())
    with open(os.path.join(folder, "pdns.conf"), "w", encoding="utf-8") as settings:
        settings.write("launch=gsqlite3\ngsqlite3-database=%s\ngsqlite3-dnssec=yes\n" % database)
    options = {
        "config-dir": folder, "socket-dir": folder, "local-address": "127.0.0.1", "local-port": 10000 + port % 10000,
        "webserver": "yes", "webserver-address": "127.0.0.1", "webserver-port": port, "api": "yes", "api-key": KEY,
        "primary": "yes", "secondary": "yes", "only-notify": "127.0.0.0/8", "daemon": "no", "guardian": "no", "setuid": "", "setgid": "",
    }
    return ["/usr/sbin/pdns_server"] + ["--%s=%s" % option for option in options.items()], {}


def published(base):
    return harness.document(base + "/api/docs", headers={"X-API-Key": KEY, "Accept": "application/json"})


def exercise(base):
    api = harness.Api(base + SERVER, {"X-API-Key": KEY})
    administrate(harness.Api(base, {"X-API-Key": KEY}))
    for number, name in enumerate(NAMES):
        zone = make(api, number, name)
        look(api, zone, number)
        change(api, zone, number)
        sign(api, zone, number)
        describe(api, zone, number)
    follow(api)
    share(api)
    ask(api)
    fail(base, api)
    for name in NAMES[:5]:
        api.delete("/zones/%s.example." % name)


def administrate(api):
    for _ in range(3):
        api.get("/api/v1/servers")
        api.get(SERVER)
        api.get(SERVER + "/config")
    for name in NAMES:
        api.get(SERVER + "/zones", params={"zone": name + ".example."})


def make(api, number, name):
    zone = name + ".example."
    kinds = ["Native", "Master"]
    body = {"name": zone, "kind": kinds[number % 2], "nameservers": ["ns1." + zone, "ns2." + zone], "masters": []}
    if number % 3 == 0:
        body.update(dnssec=True, soa_edit_api="EPOCH", account="customer%d" % (number % 2))
    if number % 4 == 0:
        body["rrsets"] = [records("www." + zone, "A", ["192.0.2.%d" % (number + 1)])]
    api.post("/zones", params={"rrsets": "false"} if number % 5 == 0 else None, json=body)
    return zone


def records(name, kind, contents, comment=None):
    rrset = {"name": name, "type": kind, "ttl": 3600, "changetype": "REPLACE",
             "records": [{"content": content, "disabled": False} for content in contents]}
    if comment:
        rrset["comments"] = [{"content": comment, "account": "operations", "modified_at": 1767225600}]
    return rrset


def look(api, zone, number):
    api.get("/zones/" + zone)
    api.get("/zones/" + zone, params={"rrsets": "false"})
    api.get("/zones/%s/export" % zone)
    if number % 4 == 0:
        api.get("/zones", params={"dnssec": "true" if number % 8 else "false"})


def change(api, zone, number):
    hosts = [records("host%d.%s" % (host, zone), "AAAA", ["2001:db8::%d" % host, "2001:db8:1::%d" % host]) for host in range(4)]
    hosts.append(records("mail." + zone, "A", ["198.51.100.%d" % number], comment="moved on request"))
    hosts.append(records(zone, "MX", ["10 mail." + zone]))
    api.patch("/zones/" + zone, 204, json={"rrsets": hosts})
    api.patch("/zones/" + zone, 204, json={"rrsets": [{"name": "host0." + zone, "type": "AAAA", "changetype": "DELETE"}]})
    api.put("/zones/" + zone, 204, json={"kind": "Master", "account": "customer%d" % (number % 2), "soa_edit": "INCEPTION-INCREMENT"})
    api.put("/zones/%s/notify" % zone)
    api.put("/zones/%s/rectify" % zone)
    api.put("/cache/flush", params={"domain": zone})


def sign(api, zone, number):
    keys = "/zones/%s/cryptokeys" % zone
    key = api.post(keys, json={"keytype": "ksk", "active": number % 2 == 0, "algorithm": "ecdsa256"}).json()
    api.post(keys, json={"keytype": "zsk", "active": True, "bits": 256, "algorithm": 13})
    api.get(keys)
    api.get("%s/%d" % (keys, key["id"]))
    api.put("%s/%d" % (keys, key["id"]), 204, json={"active": True})
    api.delete("%s/%d" % (keys, key["id"]))


def describe(api, zone, number):
    metadata = "/zones/%s/metadata" % zone
    api.post(metadata, 201, json={"kind": "ALLOW-AXFR-FROM", "metadata": ["AUTO-NS", "2001:db8::/48"]})
    for kind, values in KINDS.items():
        api.put("%s/%s" % (metadata, kind), json={"metadata": values})
        api.get("%s/%s" % (metadata, kind))
        if number % 2:
            api.delete("%s/%s" % (metadata, kind), 200)
    api.get(metadata)


def follow(api):
    """Zones of which another server is the primary: one that is not there."""
    for name in ("yew", "willow", "walnut", "teak"):
        zone = {"name": name + ".example.", "kind": "Slave", "masters": ["127.0.0.9"], "nameservers": []}
        api.post("/zones", json=zone)
        api.put("/zones/%s/axfr-retrieve" % zone["name"])
        api.get("/zones/" + zone["name"])


def share(api):
    for number, name in enumerate(NAMES[:9]):
        key = api.post("/tsigkeys", json={"name": name, "algorithm": "hmac-sha256"}).json()
        api.get("/tsigkeys/" + key["id"])
        api.put("/tsigkeys/" + key["id"], json={"algorithm": "hmac-sha512"})
        api.get("/tsigkeys")
        if number % 2:
            api.delete("/tsigkeys/" + key["id"])
        primary = {"ip": "192.0.2.%d" % (100 + number), "nameserver": "ns1.%s.example" % name, "account": "partner"}
        api.post("/autoprimaries", 201, json=primary)
        api.get("/autoprimaries")
        api.delete("/autoprimaries/%(ip)s/%(nameserver)s" % primary)


def ask(api):
    for setting in ("api-key", "launch", "version-string", "default-ttl", "cache-ttl", "max-queue-length", "webserver-port"):
        api("GET", "/config/" + setting)  # 4.7 knows the route and answers 404 to most of them
    for statistic in ("uptime", "udp-queries", "latency", "cache-latency"):
        api.get("/statistics", params={"statistic": statistic})
    api.get("/statistics")
    api.get("/statistics", params={"includerings": "false"})
    for name in NAMES:
        api.get("/search-data", params={"q": name + "*", "max": 20, "object_type": "zone" if name > "l" else "all"})


def fail(base, api):
    api.post("/zones", 409, json={"name": "oak.example.", "kind": "Native", "nameservers": []})
    api.post("/zones", 422, json={"name": "no-dot.example", "kind": "Native", "nameservers": []})
    api.get("/zones/missing.example.", 404)
    api.get("/tsigkeys/missing.", 404)
    api.get("/zones/oak.example./cryptokeys/4711", 404)
    api.put("/zones/oak.example./axfr-retrieve", 422)  # a primary does not retrieve
    harness.Api(base + SERVER).get("/zones", 401)


if __name__ == "__main__":
    harness.main(command, published, exercise)
