# SPDX-License-Identifier: MIT
"""Hands messages to bufwriterd, the logging daemon.

    import bufwriter

    log = bufwriter.Writer()
    log.write("the answer is 42")

README.md beside the package shows logging, structlog, asyncio and fork.
"""

from .errors import Error, NoDaemon, NotPermitted, Timeout, TooLarge
from .handler import Handler
from .writer import Writer

__version__ = "0.1.0"
__all__ = ["Error", "Handler", "NoDaemon", "NotPermitted", "Timeout",
           "TooLarge", "Writer"]
