// Tabs of one origin that share a socket, in a real browser against the real server. The page is
// the chat's, with another script in the place of its own.

import { build } from "esbuild";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ChatServer, browse } from "./chat.mjs";

const CLIENT = fileURLToPath(new URL("../../../../clients/typescript/", import.meta.url));
const LONG = { timeout: 120_000 };

/** What each tab runs: it enters a room, and keeps what is said there. */
const SCRIPT = `
import { share } from "./src/share.js";
import { address } from "./src/index.js";
import { chat } from "./examples/chat/protocol.js";
const url = "ws://" + location.host + "/ws";
const client = share(url, { ...chat, token: "ann" });
const said = [];
const enter = async () => {
  const joined = await client.call("join", { room: "shared" });
  const { epoch, off } = joined;
  const heard = client.subscribe(address("room", "shared"), { since: { epoch, off } });
  (async () => {
    for await (const item of heard) {
      if (item.type === "said") said.push(item.payload.text);
      if (item.type === "$gap") said.push("gap");
    }
  })();
  await heard.ready;
};
const post = (text) => client.call("post", { room: "shared", text });
Object.assign(globalThis, { shared: { client, said, enter, post } });
`;

let browser;
let server;
let script;
before(async () => {
  const { outputFiles } = await build({
    stdin: { contents: SCRIPT, resolveDir: CLIENT, loader: "js" },
    bundle: true,
    minify: true,
    mangleProps: /_$/,
    format: "esm",
    target: "es2022",
    write: false,
  });
  script = outputFiles[0].text;
  server = await ChatServer.start();
  browser = await browse();
}, LONG);
after(async () => {
  await browser?.close();
  await server?.kill();
});

/** A tab of the one person, and the sockets that it opened. */
async function open() {
  const page = await browser.newPage();
  const sockets = [];
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  const devtools = await page.createCDPSession();
  devtools.on("Network.webSocketCreated", ({ url }) => sockets.push(url));
  await devtools.send("Network.enable");
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const isScript = new URL(request.url()).pathname.endsWith(".js");
    if (!isScript) return void request.continue();
    void request.respond({ contentType: "text/javascript", body: script });
  });
  await page.goto(`http://127.0.0.1:${server.port}/`);
  await page.waitForFunction(() => globalThis.shared);
  return { page, sockets, errors };
}

// Asked by the clock: a page behind another need not draw a frame.
const BY_CLOCK = { polling: 100 };
const hears = (tab, texts) =>
  tab.page.waitForFunction((all) => shared.said.join() === all, BY_CLOCK, texts.join());
const leads = (tab) => tab.page.evaluate(() => shared.client.isLeader);
const post = (tab, text) => tab.page.evaluate((it) => shared.post(it), text);

test("two tabs share a socket, and the one that stays takes it over", LONG, async () => {
  const first = await open();
  await first.page.evaluate(() => shared.enter());
  const second = await open();
  await second.page.evaluate(() => shared.enter());
  assert.deepEqual([await leads(first), await leads(second)], [true, false]);

  await post(first, "one");
  await post(second, "two");
  await hears(first, ["one", "two"]);
  await hears(second, ["one", "two"]);
  assert.deepEqual([first.sockets.length, second.sockets.length], [1, 0]);

  await first.page.close();
  await second.page.waitForFunction(() => shared.client.isLeader);
  await post(second, "three");
  await hears(second, ["one", "two", "three"]);
  assert.equal(second.sockets.length, 1);
  assert.deepEqual([...first.errors, ...second.errors], []);
});
