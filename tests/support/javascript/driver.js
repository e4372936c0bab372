// Drives Microsoft's JavaScript checkpoint store by JSON lines: node driver.js FOLDER_OF_THE_INSTALL
//
// The first line on stdin is {"connection_string": …, "container": …}, the answer is {"ready": true}. Then each line is
// {"id": …, "call": …, "arguments": […]} and is answered by {"id": …, "result": …} or {"id": …, "error": …}.
"use strict";

const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");

const storePackage = "@azure/eventhubs-checkpointstore-blob";
const requireInstalled = createRequire(path.join(process.argv[2], "index.js"));
const { BlobCheckpointStore } = requireInstalled(storePackage);
// Resolved from the store, for which npm may have nested a version of its own.
const { ContainerClient } = createRequire(requireInstalled.resolve(storePackage))("@azure/storage-blob");

const input = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
// Not the end of the loop over the lines, which a call that hangs would hold up.
process.stdin.once("close", () => process.exit(0));

const scopeToPython = (item) => ({
  fully_qualified_namespace: item.fullyQualifiedNamespace,
  eventhub_name: item.eventHubName,
  consumer_group: item.consumerGroup,
  partition_id: item.partitionId,
});

const scopeFromPython = (item) => ({
  fullyQualifiedNamespace: item.fully_qualified_namespace,
  eventHubName: item.eventhub_name,
  consumerGroup: item.consumer_group,
  partitionId: item.partition_id,
});

const ownershipToPython = (ownership) => ({
  ...scopeToPython(ownership),
  owner_id: ownership.ownerId,
  etag: ownership.etag,
  last_modified_time: ownership.lastModifiedTimeInMs && ownership.lastModifiedTimeInMs / 1000,
});

const ownershipFromPython = (ownership) => ({
  ...scopeFromPython(ownership),
  ownerId: ownership.owner_id,
  etag: ownership.etag,
  lastModifiedTimeInMs: ownership.last_modified_time && ownership.last_modified_time * 1000,
});

const checkpointToPython = (checkpoint) => ({
  ...scopeToPython(checkpoint),
  offset: checkpoint.offset,
  sequence_number: checkpoint.sequenceNumber,
});

const checkpointFromPython = (checkpoint) => ({
  ...scopeFromPython(checkpoint),
  offset: checkpoint.offset,
  sequenceNumber: checkpoint.sequence_number,
});

function calls({ connection_string, container }) {
  const client = new ContainerClient(connection_string, container);
  const store = new BlobCheckpointStore(client);
  return {
    create_container: async () => void (await client.create()),
    list_ownership: async (...scope) => (await store.listOwnership(...scope)).map(ownershipToPython),
    claim_ownership: async (ownerships) =>
      (await store.claimOwnership(ownerships.map(ownershipFromPython))).map(ownershipToPython),
    list_checkpoints: async (...scope) => (await store.listCheckpoints(...scope)).map(checkpointToPython),
    update_checkpoint: (checkpoint) => store.updateCheckpoint(checkpointFromPython(checkpoint)),
  };
}

// A RestError has its code, such as BlobNotFound, in a field of its own.
function describe(error) {
  const code = error.code ? ` (${error.code})` : "";
  return `${error.constructor.name}: ${error.message}${code}`;
}

async function answer(call, { id, arguments: values }) {
  try {
    return { id, result: await call(...values) };
  } catch (error) {
    return { id, error: describe(error) };
  }
}

const write = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function main() {
  let known;
  for await (const line of input) {
    const message = JSON.parse(line);
    if (known) {
      write(await answer(known[message.call], message));
    } else {
      known = calls(message);
      write({ ready: true });
    }
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
