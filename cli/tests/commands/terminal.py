"""Runs a program on a terminal of its own: python3 terminal.py PROGRAM ARGUMENTS…

Waits until TEXT (from the environment) is on the screen, makes the terminal smaller, types KEYS, and prints the exit status and all
that was written as JSON.
"""

import fcntl
import json
import os
import pty
import select
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


def main():
    text, keys = os.environ["TEXT"].encode(), os.environ["KEYS"].encode()
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.argv[1], sys.argv[1:])
    resize(fd, 40, 140)
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
    else:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    print(json.dumps({"status": os.waitstatus_to_exitcode(status), "output": output.decode(errors="replace")}))


main()
