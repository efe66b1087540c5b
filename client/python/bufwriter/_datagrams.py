# SPDX-License-Identifier: MIT
"""Hands messages to the daemon without the library: one datagram each.

Threads: any number may send at the same time.  The socket stays the same
from the first connection on, and connect() gives it a new peer, so no thread
can write to a descriptor that another thread has closed.

Fork: parent and child share the socket, which has no state of its own.
"""

import errno
import os
import select
import socket
import time

# The kernel doubles this, and a datagram must be smaller than the result.
SEND_BUFFER_BYTES = 512 * 1024
# A message of up to so many bytes is sent without a look at the limit, unless
# the limit is smaller.
FREE_BYTES = 4096
LIMIT_AGE_S = 1.0
PAUSE_FIRST_S = 0.001
PAUSE_LAST_S = 0.05

_LOST = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE}
_NEEDS_CONNECT = _LOST | {
    errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM}
_PUBLIC = {
    errno.EAGAIN: errno.ETIMEDOUT,
    errno.ENOENT: errno.ECONNREFUSED,
    errno.ENOTDIR: errno.ECONNREFUSED,
    errno.ENOTCONN: errno.ECONNREFUSED,
    errno.ECONNRESET: errno.ECONNREFUSED,
    errno.EPIPE: errno.ECONNREFUSED,
    errno.EPERM: errno.EACCES,
}
_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


def limits_path(path):
    """Where the daemon publishes max_message, see libbufwriter(3)."""
    folder, name = os.path.split(path)
    if folder and name.endswith(".sock") and len(name) > 5:
        return path[:-5] + "/limits"
    return path + ".limits"


class Datagrams:
    """The way of messages to the socket at `path`."""

    def __init__(self, path):
        self.path = path
        self._limits_path = limits_path(path)
        self._limit = None
        self._free = FREE_BYTES
        self._limit_read = 0.0
        self._gone_since = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        except OSError:
            pass
        self._connect()

    def close(self):
        """Closes the socket.  Messages that were sent stay sent."""
        self._socket.close()

    def send_now(self, data):
        """Sends without a wait: 0, or the errno of the caller's error."""
        error = self._try(data)
        return _PUBLIC.get(error, error)

    def send(self, data, timeout):
        """The same, but waits up to `timeout` seconds (None: for ever)."""
        start = time.monotonic()
        pause = PAUSE_FIRST_S
        error = self._try(data)
        while error:
            since = start
            if error in _NEEDS_CONNECT:
                # All callers share one wait for a daemon that is gone.
                since = min(start, self._gone_since or start)
            left = None
            if timeout is not None:
                left = since + timeout - time.monotonic()
                if left <= 0:
                    break
            if error == errno.EAGAIN:
                self._wait_room(left)
            elif error in _NEEDS_CONNECT or error == errno.ENOBUFS:
                time.sleep(pause if left is None else min(pause, left))
                pause = min(2 * pause, PAUSE_LAST_S)
            else:
                break
            error = self._try(data)
        return _PUBLIC.get(error, error)

    def _wait_room(self, left):
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        poll.poll(None if left is None else left * 1000 + 1)

    def _try(self, data):
        """One attempt, with a new connection if the old one is lost."""
        if len(data) > self._free and self._is_refused(len(data)):
            return errno.EMSGSIZE
        try:
            self._socket.send(data, _FLAGS)
            if self._gone_since is not None:
                self._gone_since = None
            return 0
        except OSError as e:
            error = e.errno
        if error not in _NEEDS_CONNECT:
            return error
        error = self._connect()
        if error:
            if self._gone_since is None:
                self._gone_since = time.monotonic()
            return error
        self._gone_since = None
        # It may be another daemon, with another limit.
        if self._limit is not None and len(data) > self._limit:
            return errno.EMSGSIZE
        try:
            self._socket.send(data, _FLAGS)
            return 0
        except OSError as e:
            return e.errno

    def _connect(self):
        try:
            self._socket.connect(self.path)
        except OSError as e:
            return e.errno
        self._read_limit()
        return 0

    def _read_limit(self):
        limit = None
        try:
            text = os.readlink(self._limits_path)
            key, _, value = text.split(",")[0].partition("=")
            if key == "max_message" and int(value) > 0:
                limit = int(value)
        except (OSError, ValueError):
            pass
        self._limit = limit
        self._free = FREE_BYTES if limit is None else min(limit, FREE_BYTES)
        self._limit_read = time.monotonic()

    def _is_refused(self, length):
        """A refusal rests on a limit that was read just now."""
        limit = self._limit
        if ((limit is not None and length > limit) or
                time.monotonic() - self._limit_read >= LIMIT_AGE_S):
            self._read_limit()
        return self._limit is not None and length > self._limit
