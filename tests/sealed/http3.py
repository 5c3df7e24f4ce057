"""Asks https://NAME:PORT/PATH of this machine by HTTP/3, with libcurl and its ngtcp2: http3.py PORT NAME PATH... Begins with a line of
standard input, and tells the length of each answer."""
import sys

from curl_cffi import CurlHttpVersion, CurlOpt, requests

port, name, *paths = sys.argv[1:]
session = requests.Session(
    verify=False, http_version=CurlHttpVersion.V3ONLY, curl_options={CurlOpt.RESOLVE: [f"{name}:{port}:127.0.0.1"]}
)
sys.stdin.readline()
for path in paths:
    answer = session.get(f"https://{name}:{port}/{path}")
    print(answer.status_code, len(answer.content), flush=True)
session.close()
