#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A web server that does everything wrong, for the agent's tests. Standard library only.

    hostile-server.py [--tree DIR] [--cert FILE] [--log FILE]

Prints "PORT SILENT-PORT" and serves 127.0.0.1 until its standard input ends. The first part of a path chooses what it
does with the rest; the table at the end says what there is. The silent port takes connections and never answers.
--cert is a PEM file of certificate and key: then PORT speaks TLS. Each request is a line in the log.
"""
import argparse
import gzip
import hashlib
import os
import socket
import ssl
import sys
import threading
import time

BODY = b"hello, this is a document\n"
# What is "endless" ends here, so that a client without a limit fails its test instead of eating the machine.
ENDLESS = 512 << 20

parser = argparse.ArgumentParser()
parser.add_argument("--tree")
parser.add_argument("--cert")
parser.add_argument("--log")
args = parser.parse_args()
log_lock = threading.Lock()


def log(line):
    if args.log:
        with log_lock, open(args.log, "a", encoding="ascii", errors="replace") as f:
            f.write(line + "\n")


def head(status="200 OK", **headers):
    lines = ["HTTP/1.1 " + status] + [k.replace("_", "-") + ": " + str(v) for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def tag_of(data):
    return '"' + hashlib.sha256(data).hexdigest()[:16] + '"'


def answer(sock, request, data, **extra):
    tag = tag_of(data)
    if request["headers"].get("if-none-match") == tag:
        sock.sendall(head("304 Not Modified", ETag=tag))
    else:
        sock.sendall(head(Content_Length=len(data), ETag=tag, **extra) + data)
    return True


def good(sock, request, rest):
    return answer(sock, request, BODY)


def tree(sock, request, rest):
    path = os.path.join(args.tree or "/nonexistent", rest)
    if ".." in rest or not os.path.isfile(path):
        sock.sendall(head("404 Not Found", Content_Length=9) + b"not here\n")
        return True
    with open(path, "rb") as f:
        return answer(sock, request, f.read())


def tree_if(wrong):
    """The tree, but manifests are answered by `wrong`."""
    return lambda sock, request, rest: (wrong if rest.endswith("/manifest") else tree)(sock, request, rest)


def pages_if(wrong):
    """The tree, but everything below a network except its manifest is answered by `wrong`."""

    def serve(sock, request, rest):
        plain = rest.endswith("/manifest") or rest.startswith("root/")
        return (tree if plain else wrong)(sock, request, rest)

    return serve


def flipped(sock, request, rest):
    """One bit of the document is wrong."""
    with open(os.path.join(args.tree, rest), "rb") as f:
        data = bytearray(f.read())
    data[len(data) // 2] ^= 1
    return answer(sock, request, bytes(data))


def pump(sock, frame):
    block = frame(b"x" * 65536)
    for _ in range(ENDLESS // 65536):
        sock.sendall(block)
    return False


def chunked_endless(sock, request, rest):
    sock.sendall(head(Transfer_Encoding="chunked"))
    return pump(sock, lambda b: b"10000\r\n" + b + b"\r\n")


def close_endless(sock, request, rest):
    sock.sendall(head(Connection="close"))
    return pump(sock, lambda b: b)


def length_lie(sock, request, rest):
    sock.sendall(head(Content_Length=10))
    return pump(sock, lambda b: b)


def length_huge(sock, request, rest):
    sock.sendall(head(Content_Length=1 << 40))
    return pump(sock, lambda b: b)


def short(sock, request, rest):
    sock.sendall(head(Content_Length=100) + b"ten bytes\n")
    return False


def gzip_bomb(sock, request, rest):
    data = gzip.compress(b"\0" * (64 << 20), 9)
    sock.sendall(head(Content_Encoding="gzip", Content_Length=len(data)) + data)
    return True


def gzip_small(sock, request, rest):
    data = gzip.compress(BODY)
    sock.sendall(head(Content_Encoding="gzip", Content_Length=len(data)) + data)
    return True


def drip(sock, request, rest):
    sock.sendall(head(Connection="close"))
    while True:
        sock.sendall(b"x" * 30)
        time.sleep(0.05)  # 600 bytes a second


def drip_header(sock, request, rest):
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        sock.sendall(b"X")
        time.sleep(0.05)


def header_endless(sock, request, rest):
    sock.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(ENDLESS // 1024):
        sock.sendall(b"X-%d: " % i + b"y" * 1000 + b"\r\n")
    return False


def interim_endless(sock, request, rest):
    for _ in range(ENDLESS // 1024):
        sock.sendall(b"HTTP/1.1 102 Processing\r\nX: " + b"y" * 900 + b"\r\n\r\n")
    return False


def silent(sock, request, rest):
    time.sleep(3600)


def redirect(to):
    def serve(sock, request, rest):
        where = to.format(host=request["headers"].get("host", ""), rest=rest)
        sock.sendall(head("302 Found", Location=where, Content_Length=0))
        return True

    return serve


def page(status, data=b"<html><body>Please log in to use this network</body></html>\n"):
    def serve(sock, request, rest):
        sock.sendall(head(status, Content_Type="text/html", Content_Length=len(data)) + data)
        return True

    return serve


def not_modified(sock, request, rest):
    sock.sendall(head("304 Not Modified"))
    return True


def bad_tag(sock, request, rest):
    sock.sendall(head(Content_Length=len(BODY), ETag='"a\x07b c"') + BODY)
    return True


def long_tag(sock, request, rest):
    sock.sendall(head(Content_Length=len(BODY), ETag='"' + "t" * 300 + '"') + BODY)
    return True


def old_http(sock, request, rest):
    sock.sendall(BODY)  # HTTP/0.9: no header at all
    return False


def cookie(sock, request, rest):
    sock.sendall(head(Content_Length=len(BODY), Set_Cookie="id=1; Path=/") + BODY)
    return True


def nothing(sock, request, rest):
    return False


BEHAVIOURS = {
    "good": good,
    "tree": tree,
    "chunked-endless": chunked_endless,
    "close-endless": close_endless,
    "length-lie": length_lie,
    "length-huge": length_huge,
    "short": short,
    "gzip-bomb": gzip_bomb,
    "gzip-small": gzip_small,
    "drip": drip,
    "drip-header": drip_header,
    "header-endless": header_endless,
    "interim-endless": interim_endless,
    "silent": silent,
    "redirect-http": redirect("http://{host}/good/{rest}"),
    "redirect-file": redirect("file:///etc/passwd"),
    "redirect-https": redirect("https://127.0.0.1/"),
    "redirect-loop": redirect("/redirect-loop/{rest}"),
    "captive": page("200 OK"),
    "error-500": page("500 Internal Server Error"),
    "missing-page": page("404 Not Found", b"x" * 100000),
    "forbidden": page("403 Forbidden"),
    "partial": page("206 Partial Content"),
    "not-modified": not_modified,
    "bad-tag": bad_tag,
    "long-tag": long_tag,
    "old-http": old_http,
    "cookie": cookie,
    "nothing": nothing,
    "empty": page("200 OK", b""),
    "flipped-manifest": tree_if(flipped),
    "flipped-pages": pages_if(flipped),
    "pages-missing": pages_if(page("404 Not Found")),
    "pages-endless": pages_if(chunked_endless),
    "pages-drip": pages_if(drip),
    "manifest-endless": tree_if(chunked_endless),
    "manifest-gzip": tree_if(gzip_bomb),
    "manifest-captive": tree_if(page("200 OK")),
    "manifest-redirect": tree_if(redirect("http://{host}/tree/{rest}")),
    "manifest-not-modified": tree_if(not_modified),
}


def read_request(f):
    line = f.readline(8192).decode("latin-1").split()
    if len(line) < 2:
        return None
    headers = {}
    while True:
        h = f.readline(8192).decode("latin-1").rstrip("\r\n")
        if not h:
            break
        name, _, value = h.partition(":")
        headers[name.strip().lower()] = value.strip()
    return {"path": line[1], "headers": headers}


def serve_connection(sock, context):
    try:
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        f = sock.makefile("rb")
        while True:
            request = read_request(f)
            if not request:
                break
            behaviour, _, rest = request["path"].lstrip("/").partition("/")
            shown = " ".join(n for n in ("cookie", "authorization", "if-none-match", "accept-encoding") if n in request["headers"])
            log(request["path"] + (" " + shown if shown else ""))
            if not BEHAVIOURS.get(behaviour, page("404 Not Found"))(sock, request, rest):
                break
        f.close()
    except (OSError, ValueError):
        pass
    finally:
        sock.close()


def listen():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    s.listen(64)
    return s


def accept_all(s, context):
    while True:
        c, _ = s.accept()
        threading.Thread(target=serve_connection, args=(c, context), daemon=True).start()


def accept_silently(s):
    held = []
    while True:
        held.append(s.accept()[0])


tls = None
if args.cert:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(args.cert)
loud, quiet = listen(), listen()
threading.Thread(target=accept_all, args=(loud, tls), daemon=True).start()
threading.Thread(target=accept_silently, args=(quiet,), daemon=True).start()
print(loud.getsockname()[1], quiet.getsockname()[1], flush=True)
sys.stdin.read()
os._exit(0)
