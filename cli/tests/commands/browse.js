// Looks at a page with a browser: node browse.js PLAYWRIGHT BROWSER URL FOLDER. Prints what it sees as JSON.
"use strict";

const path = require("node:path");

const [playwright, executablePath, url, folder] = process.argv.slice(2);
const { chromium } = require(playwright);

const VIEWS = {
  desk: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
  "small phone": { width: 320, height: 568 },
};

async function main() {
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const seen = { requests: [], errors: [], views: {} };
  for (const [name, viewport] of Object.entries(VIEWS)) {
    const page = await browser.newPage({ viewport, colorScheme: "light" });
    page.on("request", (request) => seen.requests.push(request.url()));
    // Browsers ask for an icon, which there is not.
    page.on("console", (message) => {
      if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico")) seen.errors.push(message.text());
    });
    page.on("pageerror", (error) => seen.errors.push(String(error)));
    await page.goto(url, { waitUntil: "load" });
    seen.views[name] = await page.evaluate(() => ({
      content: document.documentElement.scrollWidth,
      window: window.innerWidth,
      text: parseFloat(getComputedStyle(document.querySelector("td")).fontSize),
    }));
    if (name === "desk") Object.assign(seen, await page.evaluate(whatIsThere));
    if (!name.includes(" ")) await page.screenshot({ path: path.join(folder, `${name}.png`) });
    await page.close();
  }
  await browser.close();
  console.log(JSON.stringify(seen));
}

// Runs in the page.
function whatIsThere() {
  const cells = (row) => Array.from(row.querySelectorAll("td"), (cell) => cell.innerText.trim());
  const line = document.querySelector("svg polyline");
  const box = line.getBoundingClientRect();
  return {
    title: document.title,
    rows: Array.from(document.querySelectorAll("tbody tr"), (row) => cells(row).slice(0, 2)),
    graph: {
      points: line.getAttribute("points").trim().split(/\s+/).length,
      width: box.width,
      height: box.height,
      stroke: getComputedStyle(line).stroke,
      background: getComputedStyle(document.body).backgroundColor,
    },
  };
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
