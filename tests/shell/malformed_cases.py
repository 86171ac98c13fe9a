"""Requests that no honest client sends, as raw bytes; `tests/golden/wire/malformed.json` says what each is answered.

The classes are those in which HTTP parsers disagree with one another, and in which requests have been smuggled:
lengths, chunks, line ends, names, targets, versions, hosts, upgrades. `{host}` is ours. Run as a program it writes the
golden file anew.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path

from wire_cases import server

GOLDEN = Path(__file__).parents[1] / "golden" / "wire" / "malformed.json"

LINE = b"POST /endpoints/echo/invocations HTTP/1.1\r\n"
HOST = b"Host: {host}\r\n"
BODY = b"Content-Length: 2\r\n\r\n{}"
H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
WEBSOCKET = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: AAAA")


def headers(*lines: bytes, body: bytes = b"") -> bytes:
    """A request on the usual path with these headers instead of a length."""
    return LINE + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(data: bytes) -> bytes:
    return headers(b"Transfer-Encoding: chunked", body=data)


def line(text: bytes) -> bytes:
    return text + b"\r\n" + HOST + BODY


def host(*values: bytes) -> bytes:
    return LINE + b"".join(b"Host: " + value + b"\r\n" for value in values) + BODY


CASES: dict[str, bytes] = {
    # --- lengths
    "length and chunks": headers(b"Content-Length: 2", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks and length": headers(b"Transfer-Encoding: chunked", b"Content-Length: 2", body=b"0\r\n\r\n"),
    "two lengths that differ": headers(b"Content-Length: 2", b"Content-Length: 3", body=b"{} "),
    "two lengths alike": headers(b"Content-Length: 2", b"Content-Length: 2", body=b"{}"),
    "lengths in a list": headers(b"Content-Length: 2, 2", body=b"{}"),
    "length negative": headers(b"Content-Length: -1"),
    "length with plus": headers(b"Content-Length: +2", body=b"{}"),
    "length hexadecimal": headers(b"Content-Length: 0x2", body=b"{}"),
    "length with underscore": headers(b"Content-Length: 1_0", body=b"0123456789"),
    "length with blanks inside": headers(b"Content-Length: 1 0", body=b"0123456789"),
    "length empty": headers(b"Content-Length: ", body=b"{}"),
    "length a word": headers(b"Content-Length: two", body=b"{}"),
    "length a fraction": headers(b"Content-Length: 2.0", body=b"{}"),
    "length of 20 digits": headers(b"Content-Length: 99999999999999999999"),
    "length of 400 digits": headers(b"Content-Length: " + b"9" * 400),
    "length in Arabic digits": headers("Content-Length: ٢".encode(), body=b"{}"),
    "length over the limit": headers(b"Content-Length: 99999999"),
    "length with a tab before": headers(b"Content-Length:\t2", body=b"{}"),
    # --- transfer encodings
    "encoding gzip": headers(b"Transfer-Encoding: gzip", body=b"{}"),
    "encoding identity": headers(b"Transfer-Encoding: identity", body=b"{}"),
    "encoding chunked twice": headers(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "encoding chunked in two headers": headers(*[b"Transfer-Encoding: chunked"] * 2, body=b"0\r\n\r\n"),
    "encoding chunked, identity": headers(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "encoding xchunked": headers(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "encoding in quotes": headers(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    "encoding with a vertical tab": headers(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "encoding empty": headers(b"Transfer-Encoding: ", body=b"0\r\n\r\n"),
    "encoding in HTTP/1.0": chunked(b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
    # --- chunks
    "chunk size negative": chunked(b"-1\r\n\r\n0\r\n\r\n"),
    "chunk size with 0x": chunked(b"0x2\r\n{}\r\n0\r\n\r\n"),
    "chunk size with plus": chunked(b"+2\r\n{}\r\n0\r\n\r\n"),
    "chunk size with underscore": chunked(b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n"),
    "chunk size with a blank before": chunked(b" 2\r\n{}\r\n0\r\n\r\n"),
    "chunk size empty": chunked(b"\r\n{}\r\n0\r\n\r\n"),
    "chunk size no number": chunked(b"zz\r\n{}\r\n0\r\n\r\n"),
    "chunk size of 17 digits": chunked(b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "chunk ended by a bare line feed": chunked(b"2\n{}\r\n0\r\n\r\n"),
    "chunk data without its end": chunked(b"2\r\n{}0\r\n\r\n"),
    "chunk data longer than said": chunked(b"2\r\n{}}}\r\n0\r\n\r\n"),
    "chunk extension with a bare line feed": chunked(b"2;a\n=b\r\n{}\r\n0\r\n\r\n"),
    "chunk extension with a carriage return": chunked(b"2;a\rb\r\n{}\r\n0\r\n\r\n"),
    "trailer with a length": chunked(b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n"),
    "trailer with a second host": chunked(b"2\r\n{}\r\n0\r\nHost: evil.example\r\n\r\n"),
    "trailer that is no header": chunked(b"2\r\n{}\r\n0\r\nno colon\r\n\r\n"),
    # --- header lines
    "header without a colon": headers(b"No colon here"),
    "header with an empty name": headers(b": value"),
    "header with a blank before the colon": headers(b"Accept : a", b"Content-Length: 0"),
    "header folded": headers(b"X-Long: a", b" b", b"Content-Length: 0"),
    "first header folded": LINE + b" folded: a\r\n" + HOST + BODY,
    "header name with a blank": headers(b"Bad Name: a", b"Content-Length: 0"),
    "header name with NUL": headers(b"Bad\x00Name: a", b"Content-Length: 0"),
    "header name in UTF-8": headers("Näme: a".encode(), b"Content-Length: 0"),
    "header name with parentheses": headers(b"Na(me): a", b"Content-Length: 0"),
    "header value with NUL": headers(b"X-A: a\x00b", b"Content-Length: 0"),
    "header value with a carriage return": headers(b"X-A: a\rb", b"Content-Length: 0"),
    "header value with a bare line feed": headers(b"X-A: a\nX-B: b", b"Content-Length: 0"),
    "header value with a control character": headers(b"X-A: a\x01b", b"Content-Length: 0"),
    "header field of 9,000 bytes": headers(b"X-A: " + b"a" * 9000, b"Content-Length: 0"),
    "200 headers": headers(*(b"X-%d: a" % n for n in range(200)), b"Content-Length: 0"),
    "lines ended by line feeds": LINE.replace(b"\r\n", b"\n") + b"Host: {host}\nContent-Length: 2\n\n{}",
    "lines ended by carriage returns": LINE.replace(b"\r\n", b"\r") + b"Host: {host}\rContent-Length: 2\r\r{}",
    # --- request lines
    "method in lower case": line(b"post /endpoints/echo/invocations HTTP/1.1"),
    "method unknown": line(b"BREW /endpoints/echo/invocations HTTP/1.1"),
    "method with a NUL": line(b"PO\x00ST /endpoints/echo/invocations HTTP/1.1"),
    "method of a proxy": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "method of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version 2.0": line(b"POST /endpoints/echo/invocations HTTP/2.0"),
    "version 1.9": line(b"POST /endpoints/echo/invocations HTTP/1.9"),
    "version 0.9": b"GET /endpoints/echo/invocations\r\n\r\n",
    "version a word": line(b"POST /endpoints/echo/invocations HTTP/one"),
    "version in lower case": line(b"POST /endpoints/echo/invocations http/1.1"),
    "two blanks before the target": line(b"POST  /endpoints/echo/invocations HTTP/1.1"),
    "tab before the target": line(b"POST\t/endpoints/echo/invocations HTTP/1.1"),
    "blank in the target": line(b"POST /endpoints/echo /invocations HTTP/1.1"),
    "NUL in the target": line(b"POST /endpoints/ec\x00ho/invocations HTTP/1.1"),
    "UTF-8 in the target": line("POST /endpoints/ächo/invocations HTTP/1.1".encode()),
    "target without a slash": line(b"POST endpoints/echo/invocations HTTP/1.1"),
    "target a star": line(b"POST * HTTP/1.1"),
    "target of 9,000 bytes": line(b"POST /" + b"a" * 9000 + b" HTTP/1.1"),
    "target with a bad escape": line(b"POST /endpoints/%zz/invocations HTTP/1.1"),
    "target with a cut escape": line(b"POST /endpoints/echo%2/invocations HTTP/1.1"),
    "target with escaped dots": line(b"POST /endpoints/%2e%2e%2fadmin/invocations HTTP/1.1"),
    "target with dots": line(b"POST /endpoints/../endpoints/echo/invocations HTTP/1.1"),
    "target with a fragment": line(b"POST /endpoints/echo/invocations#a HTTP/1.1"),
    "target on another host": line(b"POST http://evil.example/endpoints/echo/invocations HTTP/1.1"),
    "target with a user": line(b"POST http://user@127.0.0.1/endpoints/echo/invocations HTTP/1.1"),
    # --- hosts
    "no host": LINE + BODY,
    "two hosts": host(b"{host}", b"{host}"),
    "two hosts that differ": host(b"{host}", b"evil.example"),
    "host empty": host(b""),
    "host of somebody else": host(b"evil.example"),
    "host that begins like ours": host(b"127.0.0.1.evil.example"),
    "host with a user": host(b"evil@localhost"),
    "host with a blank": host(b"a b"),
    "host with another port": host(b"127.0.0.1:1"),
    # --- protocols and bytes
    "upgrade to h2c": headers(*H2C, b"Content-Length: 0"),
    "upgrade to a websocket": headers(*WEBSOCKET, b"Content-Length: 0"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "zeros": bytes(64) + b"\r\n\r\n",
    "empty lines before": b"\r\n\r\n\r\n" + LINE + HOST + BODY,
    "a second request behind a bad one": headers(b"Content-Length: x") + LINE + HOST + BODY,
}

# Sent behind every case: answered with 200 where the connection is still trusted, else swallowed with it. It ends the
# connection, so that nothing has to be waited for.
PING = b"GET /ping HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


def ask(port: int, request: bytes) -> str:
    """The status lines of all answers on one connection: the case's, and the ping's where there was one."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall((request + PING).replace(b"{host}", b"127.0.0.1:%d" % port))
        answer = b""
        try:
            while data := sock.recv(65536):
                answer += data
                if answer.startswith(b"HTTP/1.1 413"):
                    break  # the server reads on for a while, so that a client who still sends sees the answer
        except ConnectionError:
            answer += b""  # cut while bytes of ours were unread: what came before counts
    lines = [line.decode() for line in re.findall(rb"HTTP/1\.[01] [0-9]{3} [^\r]*", answer)]
    assert b"evil" not in answer.partition(b"\r\n\r\n")[2], "an answer repeats what the request said"
    return " + ".join(lines) or "no answer"


def answers(folder: Path) -> dict[str, str]:
    """What the emulator says to each."""
    with server(folder) as emulator:
        port = int(emulator.url.rpartition(":")[2])
        return {name: ask(port, request) for name, request in CASES.items()}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(answers(Path(sys.argv[1])), indent=1) + "\n")
