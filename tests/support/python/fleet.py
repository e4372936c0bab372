"""Runs Python's own load balancer for one member of a consumer group: python fleet.py

The first line on stdin holds the options (see fleet.rs), the answer is {"ready": true}. Then each round is printed as
{"round": n, "owned": […], "at": …, "checkpoints": {…}, "error": null}. {"call": "stop"} on stdin relinquishes what is
owned, and is answered by {"stopped": true}.
"""

import queue
import random
import time
from types import SimpleNamespace

from azure.eventhub import LoadBalancingStrategy
from azure.eventhub._eventprocessor.ownership_manager import OwnershipManager
from azure.eventhub.extensions.checkpointstoreblob import BlobCheckpointStore

import lines


class Member:
    def __init__(self, options):
        self.options = options
        self.scope = {
            name: options[name] for name in ("fully_qualified_namespace", "eventhub_name", "consumer_group")
        }
        self.store = BlobCheckpointStore.from_connection_string(options["connection_string"], options["container"])
        self.manager = OwnershipManager(
            event_hub_client(options),
            options["consumer_group"],
            options["owner_id"],
            self.store,
            options["expiration"],
            LoadBalancingStrategy(options["strategy"]),
            None,
        )
        self.owned = []

    def round(self, number):
        """Do what one turn of EventProcessor._load_balancing does."""
        report = {"round": number, "checkpoints": {}, "error": None}
        try:
            self.owned = self.manager.claim_ownership()
            report["at"] = time.time()
            if self.options["write_checkpoints"]:
                report["checkpoints"] = self.write_checkpoints()
        except Exception as error:
            report.setdefault("at", time.time())
            report["error"] = lines.describe(error)
        report["owned"] = list(self.owned)
        return report

    def write_checkpoints(self):
        checkpoints = self.manager.get_checkpoints()
        written = {}
        for partition_id in self.owned:
            last = checkpoints[partition_id]["sequence_number"] if partition_id in checkpoints else -1
            sequence_number = int(last) + 1
            self.store.update_checkpoint(
                {
                    **self.scope,
                    "partition_id": partition_id,
                    "offset": str(sequence_number),
                    "sequence_number": sequence_number,
                }
            )
            written[partition_id] = sequence_number
        return written

    def release(self):
        for partition_id in list(self.owned):
            self.manager.release_ownership(partition_id)


def event_hub_client(options):
    """Return all that the ownership manager asks of an Event Hubs client."""
    partition_ids = [str(number) for number in range(options["partitions"])]
    return SimpleNamespace(
        _address=SimpleNamespace(hostname=options["fully_qualified_namespace"]),
        eventhub_name=options["eventhub_name"],
        get_partition_ids=lambda: partition_ids,
    )


def main():
    messages = lines.read()
    options = messages.get()
    member = Member(options)
    lines.write({"ready": True})
    number = 0
    while True:
        lines.write(member.round(number))
        number += 1
        try:
            # The jitter of EventProcessor._load_balancing.
            messages.get(timeout=options["interval"] * (1 + 0.2 * random.random()))
        except queue.Empty:
            continue
        member.release()
        lines.write({"stopped": True})
        # Not a return: the interpreter's orderly end aborts when it finds a thread that is still reading stdin.
        lines.end()


main()
