"""A server of HTTP over TLS that is written in Python, which no library can be probed for: server.py PORT CERTIFICATE KEY"""
import socket
import sys
import threading

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey


def serve(connection, chain, key):
    tls = TLSConnection(connection)
    try:
        tls.handshakeServer(certChain=chain, privateKey=key, settings=HandshakeSettings(), alpn=[bytearray(b"http/1.1")])
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                part = tls.recv(4096)
                if not part:
                    return
                head += part
            body = b"x" * int(head.split(b"/items/", 1)[1].split(b" ", 1)[0])
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    except Exception as error:
        print(f"server: {error!r}", file=sys.stderr)
    finally:
        connection.close()


def main():
    port, certificate, key = sys.argv[1:]
    chain = X509CertChain()
    chain.parsePemList(open(certificate).read())
    key = parsePEMKey(open(key).read(), private=True)
    listener = socket.create_server(("127.0.0.1", int(port)))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, chain, key), daemon=True).start()


main()
