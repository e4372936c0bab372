"""JSON lines on stdin and stdout, for a process that has to end with the one that started it."""

import json
import os
import queue
import sys
import threading

# Whatever a library prints must not get between the answers.
_ANSWERS = sys.stdout
_LOCK = threading.Lock()
sys.stdout = sys.stderr


def read():
    """Return a queue of the messages on stdin; the process exits at the end of stdin, whatever else it is doing."""
    messages = queue.Queue()

    def read_all():
        for line in sys.stdin:
            messages.put(json.loads(line))
        end()

    threading.Thread(target=read_all, daemon=True).start()
    return messages


def end():
    """End the process, even from a thread, and while a call sleeps between two of its retries."""
    os._exit(0)


def write(message):
    """Write one message to stdout, whole: other threads may write at the same time."""
    with _LOCK:
        print(json.dumps(message), file=_ANSWERS, flush=True)


def describe(error):
    """Return the class and the message of an exception."""
    return f"{type(error).__name__}: {error}"
