# SPDX-License-Identifier: MIT
"""A daemon of a test's own, and the messages in its files."""

import collections
import fcntl
import glob
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time

BUILD = os.path.abspath(os.environ.get("BW_BUILD", "build"))
LIMIT_S = 60
LAST = b"the last one before a kill"


def until(condition):
    """Waits until the condition holds; a hang is a failure."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.002)


class Daemon:
    """A directory with a daemon in it."""

    def __init__(self):
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.root = tempfile.mkdtemp(prefix="bw-py-", dir=base)
        self.sock = self.root + "/sock"
        self.files = self.root + "/files"
        os.mkdir(self.files)
        self.process = None

    def start(self, *settings):
        """Starts it, and returns when it is ready."""
        args = [BUILD + "/bufwriterd"]
        for setting in ("socket.path=" + self.sock,
                        "files.path=" + self.files, "files.framing=length",
                        "state.path=" + self.root + "/state",
                        "control.path=" + self.root + "/control", *settings):
            args += ["-o", setting]
        with open(self.root + "/log", "ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(args, stderr=log)
        until(lambda: self.process.poll() is not None or
              b"ready: listening" in self._log(begin))
        assert self.process.poll() is None, self._log(begin)

    def _log(self, begin):
        with open(self.root + "/log", "rb") as log:
            log.seek(begin)
            return log.read()

    def send_signal(self, number):
        """Sends a signal."""
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            # Until then some thread of it may still receive.
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def stop(self, number=signal.SIGTERM):
        """Stops it if it runs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(LIMIT_S)
            self.process = None

    def drain(self):
        """Waits until the daemon has received every message so far."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.connect(self.sock)
            last.send(LAST)
            until(lambda: fcntl.ioctl(last, termios.TIOCOUTQ, b"0000") ==
                  b"\0\0\0\0")

    def kill(self):
        """SIGKILL, after the daemon has received every message so far: what
        is in the kernel's queue ends with the socket."""
        self.drain()
        self.stop(signal.SIGKILL)

    def messages(self):
        """All messages in complete files, each with its count."""
        found = collections.Counter()
        for name in glob.glob(self.files + "/*"):
            with open(name, "rb") as file:
                data = file.read()
            while data:
                (length,) = struct.unpack_from("<I", data)
                found[data[4:4 + length]] += 1
                data = data[4 + length:]
        del found[LAST]
        return found

    def remove(self):
        """Stops it, and removes the directory."""
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.root)
