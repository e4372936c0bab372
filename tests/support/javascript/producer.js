// Sends events with JavaScript's EventHubProducerClient: node producer.js FOLDER_OF_THE_INSTALL
//
// The protocol is that of python/producer.py.
"use strict";

const readline = require("node:readline");
const { connectionString, describe, hubs, made, write } = require("./events.js");

const input = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
process.stdin.once("close", () => process.exit(0));

async function send(client, { events, how, partition, key }) {
  const where = { partitionId: partition ?? undefined, partitionKey: key ?? undefined };
  const messages = events.map(made);
  if (how === "batch") {
    const batch = await client.createBatch(where);
    for (const message of messages) {
      if (!batch.tryAdd(message)) throw new Error("the batch is full");
    }
    await client.sendBatch(batch);
  } else if (how === "list") {
    await client.sendBatch(messages, where);
  } else {
    for (const message of messages) await client.sendBatch([message], where);
  }
  return messages.length;
}

async function main() {
  let client;
  for await (const line of input) {
    const message = JSON.parse(line);
    if (client) {
      write(await send(client, message).then((sent) => ({ sent }), (error) => ({ error: describe(error) })));
    } else {
      client = new hubs.EventHubProducerClient(connectionString(message), message.eventhub);
      write({ ready: true });
    }
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
