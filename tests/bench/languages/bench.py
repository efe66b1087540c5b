# SPDX-License-Identifier: MIT
"""One log call in Python: formatting alone, bufwriter, SysLogHandler.

    bench.py CALLS ROUNDS

Prints `python WHAT NANOSECONDS` with the median of the rounds, in which the
contestants take turns.
"""

import logging
import logging.handlers
import os
import statistics
import sys
import time

import bufwriter


class FormatOnly(logging.Handler):
    def emit(self, record):
        self.format(record)


def make(handler):
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.Logger("shop")
    logger.addHandler(handler)
    return logger


def library(name):
    os.environ["BUFWRITER_LIBRARY"] = name
    return bufwriter.Handler(timeout=None)


def main():
    calls, rounds = int(sys.argv[1]), int(sys.argv[2])
    path = os.environ["BUFWRITER_SOCKET"]
    own = os.environ["BUFWRITER_LIBRARY"]
    syslog = logging.handlers.SysLogHandler(path)
    syslog.append_nul = False
    handlers = {"formatting alone": FormatOnly(),
                "bufwriter, library": library(own),
                "bufwriter, datagrams": library("none"),
                "SysLogHandler": syslog}
    loggers = {name: make(handler) for name, handler in handlers.items()}
    results = {name: [] for name in loggers}
    for _ in range(rounds):
        for name, logger in loggers.items():
            begin = time.perf_counter_ns()
            for i in range(calls):
                logger.info("user %d logged in", i)
            results[name].append((time.perf_counter_ns() - begin) / calls)
    for name, values in results.items():
        print(f"python\t{name}\t{statistics.median(values):.0f}")
    assert handlers["bufwriter, library"].dropped == 0


main()
