# SPDX-License-Identifier: MIT
"""Hands messages to the daemon with libbufwriter, by ctypes.

The library keeps two handles.  One never waits, and its calls keep the
interpreter's lock, because they are shorter than giving the lock up and taking
it again.  The other one waits, without the interpreter's lock.
"""

import ctypes
import os

SONAME = "libbufwriter.so.0"
FOREVER = -1


class _Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t),
                ("socket", ctypes.c_char_p),
                ("timeout", ctypes.c_int)]


def load():
    """The library's path, or None if it is not wanted or not installed.

    BUFWRITER_LIBRARY names a file, or is `none` for datagrams.
    """
    name = os.environ.get("BUFWRITER_LIBRARY") or SONAME
    if name == "none":
        return None
    try:
        ctypes.CDLL(name)
    except OSError:
        return None
    return name


def _functions(library):
    library.bw_open.argtypes = [
        ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(_Options)]
    library.bw_open.restype = ctypes.c_int
    library.bw_write.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.bw_write.restype = ctypes.c_int
    library.bw_close.argtypes = [ctypes.c_void_p]
    library.bw_close.restype = None
    return library


class Library:
    """The way of messages to the socket at `path`."""

    def __init__(self, name, path):
        self.path = path
        self._waiting = {}
        self._calls = _functions(ctypes.CDLL(name))
        self._quick_calls = _functions(ctypes.PyDLL(name))
        self._quick = self._open(0)
        self._quick_write = self._quick_calls.bw_write

    def _open(self, timeout_ms):
        handle = ctypes.c_void_p()
        options = _Options(ctypes.sizeof(_Options),
                           os.fsencode(self.path), timeout_ms)
        error = self._calls.bw_open(
            ctypes.byref(handle), ctypes.byref(options))
        if error:
            raise OSError(-error, os.strerror(-error), self.path)
        return handle

    def close(self):
        """Closes the handles.  No thread may be in a call."""
        handles = [self._quick, *self._waiting.values()]
        self._waiting = {}
        self._quick = None
        self._quick_write = None
        for handle in handles:
            self._calls.bw_close(handle)

    def send_now(self, data):
        """Sends without a wait: 0, or the errno of the caller's error."""
        return -self._quick_write(self._quick, data, len(data))

    def send(self, data, timeout):
        """The same, but waits up to `timeout` seconds (None: for ever)."""
        ms = FOREVER if timeout is None else round(timeout * 1000 + 0.499)
        handle = self._waiting.get(ms)
        if handle is None:
            handle = self._open(ms)
            other = self._waiting.setdefault(ms, handle)
            if other is not handle:
                # Another thread was faster.
                self._calls.bw_close(handle)
                handle = other
        return -self._calls.bw_write(handle, data, len(data))
