# SPDX-License-Identifier: MIT
"""Requests to PHP-FPM: fcgi.py SOCKET SCRIPT FROM TO

The script finds the number in $_SERVER['NUMBER'].
"""

import socket
import struct
import sys


def record(kind, content):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pair(name, value):
    name, value = name.encode(), value.encode()
    return struct.pack(">BB", len(name), len(value)) + name + value


def request(path, script, number):
    params = b"".join(pair(*p) for p in (
        ("SCRIPT_FILENAME", script), ("REQUEST_METHOD", "GET"),
        ("NUMBER", str(number))))
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(path)
        s.sendall(record(1, struct.pack(">HB5x", 1, 0)) + record(4, params) +
                  record(4, b"") + record(5, b""))
        data = b""
        while True:
            part = s.recv(4096)
            if not part:
                break
            data += part
    if b"fine" not in data:
        sys.exit(f"request {number}: {data[:300]!r}")


for n in range(int(sys.argv[3]), int(sys.argv[4]) + 1):
    request(sys.argv[1], sys.argv[2], n)
