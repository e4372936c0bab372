"""Sends events with Python's EventHubProducerClient: python producer.py

The first line on stdin has the options (see peer.rs), the answer is {"ready": true}. Then each line is
{"events": […], "how": "one by one" | "batch" | "list", "partition": id or null, "key": text or null} and is answered by
{"sent": how many}.
"""

from azure.eventhub import EventHubProducerClient

import events
import lines


def send(client, order):
    made = [events.made(event) for event in order["events"]]
    where = {"partition_id": order["partition"], "partition_key": order["key"]}
    if order["how"] == "batch":
        batch = client.create_batch(**where)
        for event in made:
            batch.add(event)
        client.send_batch(batch)
    elif order["how"] == "list":
        client.send_batch(made, **where)
    else:
        for event in made:
            client.send_event(event, **where)
    return len(made)


def main():
    messages = lines.read()
    client = EventHubProducerClient(**events.client_arguments(messages.get()))
    lines.write({"ready": True})
    while True:
        try:
            lines.write({"sent": send(client, messages.get())})
        except Exception as error:
            lines.write({"error": lines.describe(error)})


main()
