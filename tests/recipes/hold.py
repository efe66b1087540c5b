# SPDX-License-Identifier: MIT
"""Holds the daemon's socket, and runs the daemon, as systemd does.

    hold.py SOCKET PIDFILE COMMAND...

Each daemon that ends is followed by another one, which gets the same socket as
descriptor 3.  PIDFILE has the process id of the present one.  SIGTERM stops
the daemon and this program.
"""

import os
import signal
import socket
import sys


def main():
    path, pidfile, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    held.bind(path)
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
            os.dup2(held.fileno(), 3)
            os.set_inheritable(3, True)
            os.environ["LISTEN_FDS"] = "1"
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.execv(command[0], command)
        with open(pidfile + ".new", "w", encoding="ascii") as file:
            print(state["pid"], file=file)
        os.rename(pidfile + ".new", pidfile)
        os.waitpid(state["pid"], 0)


main()
