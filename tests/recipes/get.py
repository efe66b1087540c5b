# SPDX-License-Identifier: MIT
"""Requests for URLs with id=N. in them: get.py ADDRESS FROM TO

ADDRESS is a port of 127.0.0.1, or the path of a Unix socket.
"""

import socket
import sys


def get(address, number):
    if address.isdigit():
        s = socket.create_connection(("127.0.0.1", int(address)), 60)
    else:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(address)
    with s:
        s.sendall(f"GET /?id={number}. HTTP/1.0\r\n\r\n".encode())
        data = b""
        while True:
            part = s.recv(4096)
            if not part:
                break
            data += part
    if b" 200 " not in data:
        sys.exit(f"request {number}: {data[:200]!r}")


for n in range(int(sys.argv[2]), int(sys.argv[3]) + 1):
    get(sys.argv[1], n)
