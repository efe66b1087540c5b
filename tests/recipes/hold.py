# SPDX-License-Identifier: MIT
"""Holds the daemon's sockets, and runs the daemon, as systemd does.

    hold.py SOCKET[:SOCKET...] PIDFILE COMMAND...

Each daemon that ends is followed by another one, which gets the same sockets
as the descriptors from 3 on.  PIDFILE has the process id of the present one.
SIGTERM stops the daemon and this program.
"""

import fcntl
import os
import signal
import socket
import sys


def main():
    paths, pidfile, command = sys.argv[1].split(":"), sys.argv[2], sys.argv[3:]
    held = []
    for path in paths:
        held.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        held[-1].bind(path)
        os.chmod(path, 0o666)
    state = {"pid": 0, "stopping": False}

    def stop(number, _):
        state["stopping"] = True
        if state["pid"]:
            os.kill(state["pid"], number)

    signal.signal(signal.SIGTERM, stop)
    while not state["stopping"]:
        state["pid"] = os.fork()
        if state["pid"] == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # Above the places where they go, so that none is overwritten.
            high = [fcntl.fcntl(s, fcntl.F_DUPFD, 100) for s in held]
            for place, descriptor in enumerate(high, 3):
                os.dup2(descriptor, place)
                os.close(descriptor)
            os.environ["LISTEN_FDS"] = str(len(held))
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.execv(command[0], command)
        with open(pidfile + ".new", "w", encoding="ascii") as file:
            print(state["pid"], file=file)
        os.rename(pidfile + ".new", pidfile)
        os.waitpid(state["pid"], 0)


main()
