"""Drives Microsoft's Python checkpoint stores by JSON lines: python driver.py (sync | aio)

The first line on stdin is {"connection_string": …, "container": …}, the answer is {"ready": true}. Then each line is
{"id": …, "call": …, "arguments": […]} and is answered by {"id": …, "result": …} or {"id": …, "error": …}.
"""

import asyncio
import sys
import threading

import lines

CALLS = ("list_ownership", "claim_ownership", "list_checkpoints", "update_checkpoint")


def sync_calls(connection_string, container):
    from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

    store = BlobCheckpointStore.from_connection_string(connection_string, container)
    return methods(store)


def aio_calls(connection_string, container):
    from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

    # The loop runs between the calls too. One that stood still would not notice that the service closed an idle
    # connection, and the next request would fail on it and be retried after 18 s.
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    async def create():
        return BlobCheckpointStore.from_connection_string(connection_string, container)

    def blocking(method):
        return lambda *arguments: run(method(*arguments))

    store = run(create())
    return {name: blocking(method) for name, method in methods(store).items()}


def methods(store):
    calls = {name: getattr(store, name) for name in CALLS}
    calls["create_container"] = store._container_client.create_container
    return calls


def answer(calls, message):
    try:
        result = calls[message["call"]](*message["arguments"])
        # Neither an update nor a creation returns anything the tests look at, or that JSON could hold.
        result = list(result) if isinstance(result, list) else None
        return {"id": message["id"], "result": result}
    except Exception as error:
        return {"id": message["id"], "error": lines.describe(error)}


def main():
    messages = lines.read()
    create = {"sync": sync_calls, "aio": aio_calls}[sys.argv[1]]
    calls = create(**messages.get())
    lines.write({"ready": True})
    while True:
        lines.write(answer(calls, messages.get()))


main()
