# SPDX-License-Identifier: MIT
"""The program of the cases in Python, see client/cases/README.md."""

import os
import sys

import bufwriter

WORDS = {bufwriter.Timeout: "timeout", bufwriter.TooLarge: "too-large",
         bufwriter.NoDaemon: "no-daemon",
         bufwriter.NotPermitted: "not-permitted"}


def write(writer, message):
    try:
        writer.write(message)
        print("ok", flush=True)
    except bufwriter.Error as error:
        print(WORDS.get(type(error), error), flush=True)


def main():
    writer = bufwriter.Writer()
    if writer.uses_library != (os.environ["BUFWRITER_LIBRARY"] != "none"):
        sys.exit("the other way is used")
    for line in sys.stdin:
        verb, _, data = line.rstrip("\n").partition(" ")
        message = bytes.fromhex(data)
        if verb == "write":
            write(writer, message)
        elif os.fork() == 0:
            write(writer, message)
            os._exit(0)
        else:
            os.wait()


main()
