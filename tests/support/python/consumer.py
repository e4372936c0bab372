"""Receives events with Python's EventHubConsumerClient: python consumer.py (sync | aio)

The first line on stdin has the options (see peer.rs), the answer is {"ready": true}. Then comes a line for each thing that
happens: {"event": …}, {"checkpoint": number}, {"initialized": true}, {"closed": reason} and {"error": text}, each with its
"partition". {"call": "stop"} on stdin closes the client, and is answered by {"stopped": true}. With "expect" batches are
received and only counted, and {"seconds": …} says how long so many events took.
"""

import asyncio
import sys
import threading
import time

import events
import lines


class Teller:
    """Says what happens, and when a checkpoint is due."""

    def __init__(self, options):
        self.every = options["checkpoint_every"]
        self.expect = options["expect"]
        self.counting = threading.Lock()
        self.began = None
        self.count = 0
        self.counts = {}

    def received(self, context, event):
        partition = context.partition_id
        self.counts[partition] = self.counts.get(partition, 0) + 1
        lines.write({"event": events.described(event), "partition": partition})
        return self.every and self.counts[partition] % self.every == 0

    def counted(self, batch):
        with self.counting:
            self.began = self.began or time.monotonic()
            before, self.count = self.count, self.count + len(batch)
            if before < self.expect <= self.count:
                lines.write({"seconds": time.monotonic() - self.began})

    def stored(self, context, event):
        lines.write({"checkpoint": event.sequence_number, "partition": context.partition_id})

    def initialized(self, context):
        lines.write({"initialized": True, "partition": context.partition_id})

    def closed(self, context, reason):
        lines.write({"closed": reason.name, "partition": context.partition_id})

    def failed(self, context, error):
        partition = context.partition_id if context else None
        lines.write({"error": lines.describe(error), "partition": partition})

    def end(self):
        lines.write({"stopped": True})
        # Not a return: the interpreter's orderly end aborts when it finds a thread that is still reading stdin.
        lines.end()


def arguments(options):
    """Return the arguments of the client."""
    return {
        **events.client_arguments(options),
        "consumer_group": options["group"],
        "load_balancing_interval": options["interval"],
        "partition_ownership_expiration_interval": options["expiration"],
        "retry_backoff_factor": 0.1,
        "retry_backoff_max": 1,
    }


def receiving(options):
    """Return the arguments of receive."""
    chosen = {name: options[name] for name in ("partition_id", "owner_level") if options[name] is not None}
    return {**chosen, "starting_position": "-1", "max_wait_time": None}


def run_sync(options, messages):
    from azure.eventhub import EventHubConsumerClient
    from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

    store = options["container"] and BlobCheckpointStore.from_connection_string(
        options["connection_string"], options["container"]
    )
    teller = Teller(options)
    client = EventHubConsumerClient(checkpoint_store=store or None, **arguments(options))

    def on_event(context, event):
        if teller.received(context, event):
            context.update_checkpoint(event)
            teller.stored(context, event)

    def on_batch(_context, batch):
        teller.counted(batch)

    def receive():
        method, callback = (client.receive, on_event) if teller.expect is None else (client.receive_batch, on_batch)
        method(
            callback,
            on_error=teller.failed,
            on_partition_initialize=teller.initialized,
            on_partition_close=teller.closed,
            **receiving(options),
        )

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    lines.write({"ready": True})
    messages.get()
    client.close()
    thread.join()
    teller.end()


async def run_aio(options, messages):
    from azure.eventhub.aio import EventHubConsumerClient
    from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

    store = options["container"] and BlobCheckpointStore.from_connection_string(
        options["connection_string"], options["container"]
    )
    teller = Teller(options)
    client = EventHubConsumerClient(checkpoint_store=store or None, **arguments(options))

    async def on_event(context, event):
        if teller.received(context, event):
            await context.update_checkpoint(event)
            teller.stored(context, event)

    async def on_batch(_context, batch):
        teller.counted(batch)

    async def initialized(context):
        teller.initialized(context)

    async def closed(context, reason):
        teller.closed(context, reason)

    async def failed(context, error):
        teller.failed(context, error)

    method, callback = (client.receive, on_event) if teller.expect is None else (client.receive_batch, on_batch)
    receiving_task = asyncio.ensure_future(
        method(
            callback,
            on_error=failed,
            on_partition_initialize=initialized,
            on_partition_close=closed,
            **receiving(options),
        )
    )
    lines.write({"ready": True})
    await asyncio.get_running_loop().run_in_executor(None, messages.get)
    await client.close()
    await receiving_task
    teller.end()


def main():
    messages = lines.read()
    options = messages.get()
    if sys.argv[1] == "sync":
        run_sync(options, messages)
    else:
        asyncio.run(run_aio(options, messages))


main()
