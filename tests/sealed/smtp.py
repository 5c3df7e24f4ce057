"""Mail that is encrypted half-way (STARTTLS, RFC 3207), by Python's client to PyPI's `aiosmtpd`: smtp.py PORT CERTIFICATE KEY

Says `ready`, waits for a line, sends three letters and ends."""
import smtplib
import ssl
import sys

from aiosmtpd.controller import Controller


class Keep:
    def __init__(self):
        self.letters = []

    async def handle_DATA(self, server, session, envelope):
        self.letters.append(envelope.content)
        return "250 OK"


port, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
kept = Keep()
controller = Controller(kept, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True)
controller.start()
print("ready", flush=True)
sys.stdin.readline()
# What looks like a request is none.
body = "Subject: a letter\r\n\r\nGET /invented HTTP/1.1\r\nHost: mail.example\r\n\r\n" + ("x" * 70 + "\r\n") * 40
for _ in range(3):
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.starttls(context=ssl._create_unverified_context())
        client.sendmail("a@mail.example", ["b@mail.example"], body)
controller.stop()
sys.exit(0 if len(kept.letters) == 3 else 1)
