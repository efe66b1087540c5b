# SPDX-License-Identifier: MIT
"""What a message that was not handed over raises.

Each class is an OSError, and errno says the same as the class.
"""

import errno
import os


class Error(OSError):
    """The daemon has not received the message, and never will."""


class Timeout(Error, TimeoutError):
    """The daemon's queue stayed full for the whole timeout."""


class TooLarge(Error):
    """The message is larger than the daemon's socket.max_message, or than a
    datagram can be on this system."""


class NoDaemon(Error, ConnectionError):
    """No daemon listens on the socket."""


class NotPermitted(Error, PermissionError):
    """This user may not write to the daemon's socket."""


_KINDS = {
    errno.ETIMEDOUT: (Timeout, "the daemon's queue stayed full"),
    errno.EMSGSIZE: (TooLarge, "the message is larger than the daemon accepts"),
    errno.ECONNREFUSED: (NoDaemon, "no daemon listens on the socket"),
    errno.EACCES: (NotPermitted, "this user may not write to the socket"),
}


def make(number, path):
    """The exception for a positive errno."""
    kind, text = _KINDS.get(number, (Error, os.strerror(number)))
    return kind(number, text, path)
