"""Asks Python's own load balancer for its decisions: python balance.py

Each line on stdin is a list of questions (see python_balance/question.rs), and is answered by a list with what Python would claim:
[[[partition id, its owner before], …], …].
"""

import random
from types import SimpleNamespace

from azure.eventhub import LoadBalancingStrategy
from azure.eventhub._eventprocessor import ownership_manager

import lines

NOW = 1_700_000_000.0


def decide(question):
    partition_ids = [str(number) for number in range(question["partitions"])]
    client = SimpleNamespace(_address=SimpleNamespace(hostname="ns"), eventhub_name="hub")
    strategy = LoadBalancingStrategy(question["strategy"])
    manager = ownership_manager.OwnershipManager(
        client, "$Default", question["owner_id"], None, question["expiration"], strategy, None
    )
    listed = [
        {"partition_id": partition_id, "owner_id": owner_id, "last_modified_time": NOW - age}
        for partition_id, owner_id, age in question["listed"]
    ]
    # The decision writes the new owner into the listed records.
    owners = {record["partition_id"]: record["owner_id"] for record in listed}
    random.seed(question["seed"])
    to_claim = manager._balance_ownership(listed, partition_ids)
    return [[record["partition_id"], owners.get(record["partition_id"])] for record in to_claim]


def main():
    ownership_manager.time = SimpleNamespace(time=lambda: NOW)
    questions = lines.read()
    while True:
        lines.write([decide(question) for question in questions.get()])


main()
