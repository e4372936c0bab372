// Events as JSON, in the form that python/events.py says, and the address of the double.
"use strict";

const dns = require("node:dns");
const { createRequire } = require("node:module");
const path = require("node:path");

const storePackage = "@azure/eventhubs-checkpointstore-blob";
const requireInstalled = createRequire(path.join(process.argv[2], "index.js"));
const { BlobCheckpointStore } = requireInstalled(storePackage);
// Resolved from the store, for which npm may have nested versions of its own.
const requireOfTheStore = createRequire(requireInstalled.resolve(storePackage));
const hubs = requireOfTheStore("@azure/event-hubs");
const { ContainerClient } = requireOfTheStore("@azure/storage-blob");

// A custom endpoint would also name the blobs. So the namespace keeps its name, and its host is here.
function connectionString({ namespace, port }) {
  const lookup = dns.lookup;
  dns.lookup = (host, ...rest) => lookup(host.toLowerCase() === namespace.toLowerCase() ? "127.0.0.1" : host, ...rest);
  const key = "SharedAccessKeyName=key-name;SharedAccessKey=key";
  return `Endpoint=sb://${namespace}:${port}/;${key};UseDevelopmentEmulator=true;`;
}

const system = ["subject", "x-opt-sender"];

function described(event) {
  const raw = event.getRawAmqpMessage();
  const found = { ...raw.messageAnnotations, subject: raw.properties?.subject };
  return {
    number: event.sequenceNumber,
    offset: event.offset,
    enqueued: event.enqueuedTimeUtc.getTime(),
    key: event.partitionKey ?? null,
    body: body(raw),
    properties: plain(event.properties ?? {}),
    system: Object.fromEntries(system.filter((name) => found[name] != null).map((name) => [name, plain(found[name])])),
    message_id: plain(event.messageId ?? null),
    correlation_id: plain(event.correlationId ?? null),
    content_type: event.contentType ?? null,
  };
}

// What is not parsed as JSON is left in its section. The client knows sequences of one section only.
function body({ body, bodyType }) {
  const content = plain(body?.typecode ? body.content : body);
  return { [bodyType]: bodyType === "sequence" ? [content] : content };
}

function plain(value) {
  if (Buffer.isBuffer(value)) return value.toString();
  if (value instanceof Date) return { time: value.getTime() };
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}

function made(event) {
  const [[kind, content]] = Object.entries(event.body);
  const { message_id: messageId, correlation_id: correlationId, content_type: contentType } = event;
  if (kind === "data" && !event.system) {
    return { body: Buffer.from(content), properties: event.properties, messageId, correlationId, contentType };
  }
  const { subject, ...messageAnnotations } = event.system ?? {};
  return {
    body: { data: () => Buffer.from(content), sequence: () => content[0], value: () => content }[kind](),
    bodyType: kind,
    properties: { messageId, correlationId, contentType, subject },
    applicationProperties: event.properties,
    messageAnnotations,
  };
}

// A RestError and a MessagingError have their code in a field of its own.
const describe = (error) => `${error.constructor.name}: ${error.message}${error.code ? ` (${error.code})` : ""}`;

const write = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

module.exports = { BlobCheckpointStore, ContainerClient, connectionString, describe, described, hubs, made, write };
