#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends numbered messages to a logger that dies on the way.

    again.py MESSAGES BYTES PREFIX PIDFILE WHAT TARGET

WHAT is `SIGNAL:NUMBER`s, separated by commas: before the message of this number
the logger gets the signal; or `none`.  TARGET is a Unix datagram socket, in
whose path %p stands for the logger's process, or `fifo:PATH`.

A program that logs connects again when its send fails because nobody listens,
and sends that message again.  A message whose send waits longer than 100 ms
counts as refused: its program knows that it was not taken.  After GIVE_UP of
these in a row (an environment variable, 600) the sender gives up.  At the end one line goes to standard output: messages
taken, and refused.

The form of a message is that of message.h, so that `count` finds it.
"""
import os
import signal
import socket
import sys
import time


def read_pid(path):
    while True:
        try:
            return int(open(path).read())
        except (OSError, ValueError):
            time.sleep(0.01)


class Socket:
    def __init__(self, path, pidfile):
        self.path, self.pidfile, self.sock = path, pidfile, None
        self.refused = 0

    def connect(self):
        while True:
            path = self.path.replace("%p", str(read_pid(self.pidfile)))
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                sock.connect(path)
                sock.settimeout(0.1)
                self.sock = sock
                return
            except OSError:
                sock.close()
                time.sleep(0.01)

    def send(self, message):
        while True:
            if not self.sock:
                self.connect()
            try:
                self.sock.send(message)
                return True
            except TimeoutError:
                return False
            except OSError:
                self.sock.close()
                self.sock = None


class Fifo:
    """The supervisor holds the other end, so this never fails."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY)
        os.set_blocking(self.fd, False)

    def send(self, message):
        end = time.monotonic() + 0.1
        while message:
            try:
                message = message[os.write(self.fd, message):]
            except BlockingIOError:
                # Once a part is written, the rest has to follow.
                if time.monotonic() > end and message[:1] == b"#":
                    return False
                time.sleep(0.0005)
        return True


def main():
    messages, size = int(sys.argv[1]), int(sys.argv[2])
    prefix, pidfile, what, target = sys.argv[3:7]
    deeds = {}
    if what != "none":
        for deed in what.split(","):
            name, number = deed.split(":")
            deeds[int(number)] = getattr(signal, "SIG" + name)
    if target.startswith("fifo:"):
        to = Fifo(target[5:])
    else:
        to = Socket(target, pidfile)
    taken = refused = row = 0
    for n in range(messages):
        if n in deeds:
            pid = read_pid(pidfile)
            os.kill(pid, deeds[n])
            # the same process may not be hit twice
            while read_pid(pidfile) == pid:
                time.sleep(0.01)
        text = "#bw 000 %010d %06d " % (n, size)
        message = (prefix + text.ljust(size - 1, "x") + "\n").encode()
        if to.send(message):
            taken += 1
            row = 0
        else:
            refused += 1
            row += 1
            if row == int(os.environ.get("GIVE_UP", "600")):
                break
    print(taken, refused)


main()
