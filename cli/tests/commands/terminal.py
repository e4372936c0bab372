"""Runs a program on a terminal of its own: python3 terminal.py PROGRAM ARGUMENTS…

Waits until TEXT (from the environment) is on the screen, makes the terminal smaller, types KEYS, sends SIGNAL if it is set, and
prints as JSON the exit status, all that was written, and whether the terminal is in the end as it was: lines are edited and echoed.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 60


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read(fd, seconds):
    """What comes within the time; None at the end."""
    ready, _, _ = select.select([fd], [], [], seconds)
    if not ready:
        return b""
    try:
        return os.read(fd, 65536) or None
    except OSError:
        return None


def modes(fd):
    """Those that an editor or a full screen changes."""
    return termios.tcgetattr(fd)[:4]


def main():
    text, keys = os.environ["TEXT"].encode(), os.environ["KEYS"].encode()
    ready, begin = os.pipe()
    pid, fd = pty.fork()
    if pid == 0:
        os.read(ready, 1)
        os.execv(sys.argv[1], sys.argv[1:])
    before = modes(fd)
    resize(fd, 40, 140)
    os.write(begin, b".")
    output, typed, deadline = b"", False, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        chunk = read(fd, 0.2)
        if chunk is None:
            break
        output += chunk
        if text in output and not typed:
            typed = True
            resize(fd, 20, 60)
            for key in keys:
                time.sleep(0.1)
                os.write(fd, bytes([key]))
            if "SIGNAL" in os.environ:
                os.kill(pid, signal.Signals["SIG" + os.environ["SIGNAL"]])
    else:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    said = {
        "status": os.waitstatus_to_exitcode(status),
        "output": output.decode(errors="replace"),
        "as_before": modes(fd) == before,
    }
    print(json.dumps(said))


main()
