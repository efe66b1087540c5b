# SPDX-License-Identifier: MIT
"""The last processor of a structlog configuration."""

import json

from .handler import Handler


class Processor:
    """Sends each event as one message, and ends the chain.

    An event that an earlier processor has rendered (str or bytes) is sent as
    it is; a dict is sent as JSON.  What was not handed over is told as by
    bufwriter.Handler, whose arguments these are.
    """

    def __init__(self, **arguments):
        self.handler = Handler(**arguments)
        self.handler.format = lambda event: event

    def __call__(self, logger, name, event):
        # Imported here, so that the package does not need structlog.
        from structlog import DropEvent

        if not isinstance(event, (str, bytes)):
            event = json.dumps(event, default=str, ensure_ascii=False)
        self.handler.emit(event)
        raise DropEvent
