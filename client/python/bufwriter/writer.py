# SPDX-License-Identifier: MIT
"""A writer: hands messages to the daemon, and never blocks an event loop."""

import atexit
import collections
import errno
import os
import sys
import threading
import time
import weakref

from . import _library, errors
from ._datagrams import Datagrams

DEFAULT_SOCKET = "/run/bufwriter.sock"
# A message may succeed later after one of these.
_MAY_PASS = {errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EACCES, errno.ENOBUFS,
             errno.ENOMEM}


def _in_event_loop():
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


class Writer:
    """Hands messages to bufwriterd.

    socket   the path of the daemon's socket; default: the environment variable
             BUFWRITER_SOCKET, or /run/bufwriter.sock
    timeout  seconds that a message may wait while the daemon's queue is full
             or the daemon is gone; None waits for ever, 0 never waits
    backlog  how many messages of threads that run an asyncio event loop may
             wait in memory.  Such a thread never waits for the daemon
    on_drop  function(count, error), called in a thread of the writer when
             messages of the backlog were dropped.  Without it, a line on
             standard error says so, at most one each second

    Any number of threads may write with one writer, and so may the children
    of a fork.  The child of a fork begins with an empty backlog, because its
    parent still has those messages.
    """

    def __init__(self, socket=None, timeout=0.1, backlog=10000, on_drop=None):
        self.path = socket or os.environ.get(
            "BUFWRITER_SOCKET") or DEFAULT_SOCKET
        self.timeout = timeout
        self.dropped = 0
        self._room = backlog
        self._on_drop = on_drop
        name = _library.load()
        self._way = (_library.Library(name, self.path) if name
                     else Datagrams(self.path))
        self._send_now = self._way.send_now
        self._reset()
        _writers.add(self)

    def _reset(self):
        self._backlog = collections.deque()
        self._changed = threading.Condition()
        self._thread = None
        self._sending = False
        self._told_at = None
        self._untold = 0
        self._last_error = 0
        self._closing = False

    @property
    def uses_library(self):
        """True if libbufwriter hands the messages over."""
        return not isinstance(self._way, Datagrams)

    def write(self, message):
        """Hands over one message, a str (sent as UTF-8) or bytes.

        Raises errors.Timeout, TooLarge, NoDaemon, NotPermitted or another
        errors.Error if the daemon has not received it.  In a thread that runs
        an asyncio event loop, a message that would have to wait goes to the
        backlog; if that is full, Timeout comes at once.
        """
        if message.__class__ is not bytes:
            message = (message.encode("utf-8", "surrogateescape")
                       if isinstance(message, str) else bytes(message))
        error = self._send_now(message)
        if error:
            self._write_slowly(message, error)

    def _write_slowly(self, message, error):
        if error in _MAY_PASS and self.timeout != 0:
            if _in_event_loop():
                if self._hand_off(message):
                    return
                error = errno.ETIMEDOUT
            else:
                error = self._way.send(message, self.timeout)
        if error:
            self.dropped += 1
            raise errors.make(error, self.path)

    # --- the backlog of event loops ------------------------------------

    def _hand_off(self, message):
        with self._changed:
            waiting = len(self._backlog) + self._sending
            if waiting >= self._room or self._closing:
                return False
            if self._thread is None and not self._start_thread():
                return False
            self._backlog.append(message)
            self._changed.notify_all()
        return True

    def _start_thread(self):
        thread = threading.Thread(
            target=self._drain, name="bufwriter", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is ending, or the system has no thread left.
            return False
        self._thread = thread
        # A child of multiprocessing ends without atexit.
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(self, _flush, args=(weakref.ref(self),),
                          exitpriority=0)
        return True

    def _drain(self):
        while True:
            with self._changed:
                while not self._backlog:
                    if self._closing:
                        return
                    self._changed.wait()
                message = self._backlog.popleft()
                self._sending = True
            error = self._way.send(message, self.timeout)
            if error:
                self._count_drop(error)
                self._tell(False)
            with self._changed:
                self._sending = False
                self._changed.notify_all()

    def _count_drop(self, error):
        self.dropped += 1
        self._untold += 1
        self._last_error = error

    def _tell(self, at_once):
        now = time.monotonic()
        if not at_once and self._told_at is not None and (
                now - self._told_at < 1.0):
            return
        count, self._untold = self._untold, 0
        self._told_at = now
        failure = errors.make(self._last_error, self.path)
        if self._on_drop is not None:
            self._on_drop(count, failure)
        else:
            print(f"bufwriter: {count} messages dropped: {failure.strerror} "
                  f"({self.path})", file=sys.stderr)

    def flush(self, timeout=None):
        """Waits until the backlog is empty, `timeout` seconds at most
        (default: the writer's).  False: it is not."""
        if timeout is None:
            timeout = self.timeout
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self._backlog or self._sending:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def finish(self):
        """Flushes the backlog before the process ends, and tells what was
        dropped.  True: no message is being sent any more."""
        if not self.flush():
            with self._changed:
                left = len(self._backlog)
                self._backlog.clear()
            for _ in range(left):
                self._count_drop(errno.ETIMEDOUT)
        # A message that is being sent is decided within its own timeout.
        idle = self.flush()
        if self._untold:
            self._tell(True)
        return idle

    def close(self):
        """Flushes the backlog, and closes the writer.  No other thread may be
        in a call."""
        if self._closing:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        idle = self.finish()
        _writers.discard(self)
        self._send_now = _closed
        # A thread that is in a call keeps the socket.
        if idle:
            way, self._way = self._way, None
            way.close()


def _closed(_):
    return errno.EBADF


def _flush(reference):
    writer = reference()
    if writer is not None:
        writer.finish()


_writers = weakref.WeakSet()


def _flush_all():
    for writer in list(_writers):
        writer.finish()


def _after_fork():
    for writer in list(_writers):
        writer._reset()


atexit.register(_flush_all)
os.register_at_fork(after_in_child=_after_fork)
