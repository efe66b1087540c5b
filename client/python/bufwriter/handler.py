# SPDX-License-Identifier: MIT
"""Records of the module `logging` as messages."""

import logging
import sys
import time

from .errors import Error
from .writer import Writer


class Handler(logging.Handler):
    """Sends each record, formatted, as one message.

    The arguments are those of Writer.  A record that could not be handed over
    is counted in `dropped` and told by report(), at most once a second.
    """

    def __init__(self, socket=None, timeout=0.1, backlog=10000,
                 level=logging.NOTSET):
        super().__init__(level)
        self.writer = Writer(socket, timeout, backlog, self.report)
        self._write = self.writer.write
        self._untold = 0
        self._told_at = None
        self._last_error = None

    def createLock(self):
        """No lock: threads may write at the same time."""
        self.lock = None

    @property
    def dropped(self):
        """How many records were not handed over."""
        return self.writer.dropped

    def emit(self, record):
        """Sends the record."""
        try:
            self._write(self.format(record))
        except Error as error:
            self._untold += 1
            self._last_error = error
            now = time.monotonic()
            if self._told_at is None or now - self._told_at >= 1.0:
                self._told_at = now
                self._tell()
        except Exception:
            self.handleError(record)

    def _tell(self):
        count, self._untold = self._untold, 0
        if count:
            self.report(count, self._last_error)

    def report(self, count, error):
        """Tells that `count` records were dropped, the last one for `error`;
        a subclass may tell it elsewhere."""
        if logging.raiseExceptions and sys.stderr:
            print(f"bufwriter: {count} log records dropped: {error.strerror} "
                  f"({self.writer.path})", file=sys.stderr)

    def flush(self):
        """Waits until the backlog of event loops is empty."""
        self.writer.flush()

    def close(self):
        """Closes the writer, and tells what was not told yet."""
        self._tell()
        self.writer.close()
        super().close()
