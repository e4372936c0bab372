// Receives events with JavaScript's EventHubConsumerClient: node consumer.js FOLDER_OF_THE_INSTALL
//
// The protocol is that of python/consumer.py.
"use strict";

const readline = require("node:readline");
const { BlobCheckpointStore, ContainerClient, connectionString, describe, described, hubs, write } =
  require("./events.js");

const input = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
process.stdin.once("close", () => process.exit(0));

const counts = new Map();
let count = 0;
let began;

function onlyCount(events, expected) {
  began ??= performance.now();
  const before = count;
  count += events.length;
  if (before < expected && count >= expected) write({ seconds: (performance.now() - began) / 1000 });
}

function start(options) {
  const { eventhub, group, container } = options;
  const loadBalancingOptions = {
    strategy: "greedy",
    updateIntervalInMs: options.interval * 1000,
    partitionOwnershipExpirationIntervalInMs: options.expiration * 1000,
  };
  const store = container && new BlobCheckpointStore(new ContainerClient(options.connection_string, container));
  const address = [group, connectionString(options), eventhub];
  const clientOptions = { loadBalancingOptions, retryOptions: { retryDelayInMs: 100, maxRetryDelayInMs: 1000 } };
  const client = store
    ? new hubs.EventHubConsumerClient(...address, store, clientOptions)
    : new hubs.EventHubConsumerClient(...address, clientOptions);

  const handlers = {
    async processInitialize({ partitionId: partition }) {
      write({ initialized: true, partition });
    },
    async processClose(reason, { partitionId: partition }) {
      write({ closed: reason, partition });
    },
    async processError(error, { partitionId }) {
      write({ error: describe(error), partition: partitionId || null });
    },
    async processEvents(events, context) {
      if (options.expect !== null) {
        onlyCount(events, options.expect);
        return;
      }
      const partition = context.partitionId;
      for (const event of events) {
        counts.set(partition, (counts.get(partition) ?? 0) + 1);
        write({ event: described(event), partition });
        if (options.checkpoint_every && counts.get(partition) % options.checkpoint_every === 0) {
          await context.updateCheckpoint(event);
          write({ checkpoint: event.sequenceNumber, partition });
        }
      }
    },
  };
  const receiving = {
    startPosition: hubs.earliestEventPosition,
    ownerLevel: options.owner_level ?? undefined,
    skipParsingBodyAsJson: true,
    maxWaitTimeInSeconds: 1,
    ...(options.expect === null ? {} : { maxBatchSize: 300, prefetchCount: 300 }),
  };
  const subscription =
    options.partition_id === null
      ? client.subscribe(handlers, receiving)
      : client.subscribe(options.partition_id, handlers, receiving);
  return { client, subscription };
}

async function main() {
  let running;
  for await (const line of input) {
    if (!running) {
      running = start(JSON.parse(line));
      write({ ready: true });
      continue;
    }
    await running.subscription.close();
    await running.client.close();
    write({ stopped: true });
    process.exit(0);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
