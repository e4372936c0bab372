// Runs Azurite's blob service: node azurite.js FOLDER_OF_THE_INSTALL PORT [FURTHER OPTIONS OF AZURITE…]
//
// The first line on stdout is {"port": …}. The process ends with its stdin, so that a killed test leaves nothing behind.
"use strict";

const { createRequire } = require("node:module");
const path = require("node:path");

const [folder, port, ...options] = process.argv.slice(2);
const requireInstalled = createRequire(path.join(folder, "index.js"));

process.stdin.resume();
process.stdin.once("close", () => process.exit(0));

// An SQL database of the developer's would turn off --inMemoryPersistence.
delete process.env.AZURITE_DB;
process.argv.splice(
  2,
  Infinity,
  ...["--blobHost", "127.0.0.1", "--blobPort", port],
  ...["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"],
  ...options,
);

async function main() {
  // The factory and not the command, because the command never says in a stable form which port it got for port 0.
  const { BlobServerFactory } = requireInstalled("azurite/dist/src/blob/BlobServerFactory.js");
  const server = await new BlobServerFactory().createServer();
  await server.start();
  const address = new URL(server.getHttpServerAddress());
  process.stdout.write(`${JSON.stringify({ port: Number(address.port) })}\n`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
