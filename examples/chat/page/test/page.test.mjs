// The page in a real browser, against the real server.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ChatServer, Gate, browse, frames, hasCaughtUp } from "./chat.mjs";
import { keepsToItself, messages, say, shows, tab } from "./chat.mjs";
import { Schemas } from "./judge.mjs";

const LONG = { timeout: 120_000 };
/** What a browser says by itself of a connection that is lost. */
const LOST = /WebSocket connection to|net::ERR_/;

let browser;
let server;
let gate;
before(async () => (browser = await browse()), LONG);
after(() => browser.close());
beforeEach(async () => {
  server = await ChatServer.start();
  gate = await Gate.before(server.port);
}, LONG);
afterEach(async () => {
  gate.end();
  await server.kill();
});

test("two tabs talk, see who is there and who is typing", LONG, async () => {
  const ann = await tab(browser, gate.origin, "ann");
  const bob = await tab(browser, gate.origin, "bob");
  await ann.page.waitForFunction(() => document.querySelectorAll("#members li").length === 2);
  await bob.page.type("#text", "he");
  const typing = () => document.getElementById("typing").textContent === "bob is typing …";
  await ann.page.waitForFunction(typing);
  await say(bob.page, "llo <b>ann</b>");
  await shows(ann.page, "hello <b>ann</b>");
  await say(ann.page, "hello bob");
  await shows(bob.page, "hello bob");
  assert.deepEqual(await messages(bob.page), ["hello <b>ann</b>", "hello bob"]);

  await ann.page.type("#topic", "tea");
  await ann.page.keyboard.press("Enter");
  await bob.page.waitForFunction(() => document.getElementById("topic").value === "tea");
  await bob.page.type("#new-room", "attic");
  await bob.page.keyboard.press("Enter");
  await ann.page.waitForFunction(() => document.querySelectorAll("#members li").length === 1);
  await ann.page.waitForSelector('#rooms button[data-room="attic"]');
  assert.deepEqual([...ann.errors, ...bob.errors], []);
});

test("a tab that was offline has missed nothing, and what it said is sent once", LONG, async () => {
  const ann = await tab(browser, gate.origin, "ann");
  const direct = `http://127.0.0.1:${server.port}`;
  const bob = await tab(browser, direct, "bob");
  await say(bob.page, "before");
  await shows(ann.page, "before");

  await ann.page.setOfflineMode(true);
  gate.shut();
  await ann.page.waitForSelector('#state:not([data-name="ready"])');
  await say(ann.page, "from the tunnel");
  await ann.page.waitForSelector(".message.pending");
  const state = await ann.page.$eval("#state-text", (it) => it.textContent);
  assert.match(state, /^(Offline|Reconnecting)/);
  for (const text of ["one", "two", "three"]) await say(bob.page, text);
  await shows(bob.page, "three");
  assert.deepEqual(await messages(ann.page), ["before"]);

  gate.open();
  await ann.page.setOfflineMode(false);
  await hasCaughtUp(ann.page);
  await shows(ann.page, "from the tunnel");
  await shows(bob.page, "from the tunnel");
  const all = ["before", "one", "two", "three", "from the tunnel"];
  assert.deepEqual(await messages(ann.page), all);
  assert.deepEqual(await ann.page.$$(".notice.gap"), []);
  assert.deepEqual(await messages(bob.page), all);
  assert.deepEqual(ann.errors.filter((error) => !LOST.test(error)), []);
});

test("a page that wakes asks whether its server is there", LONG, async () => {
  const ann = await tab(browser, gate.origin, "ann");
  const devtools = await ann.page.createCDPSession();
  await devtools.send("Network.enable");
  const asked = new Promise((resolve) => {
    devtools.on("Network.webSocketFrameSent", ({ response }) => {
      if (JSON.parse(response.payloadData).type === "$ping") resolve();
    });
  });
  await ann.page.evaluate(() => document.dispatchEvent(new Event("resume")));
  await asked;
});

test("a server that starts again is found, and the room is entered again", LONG, async () => {
  const ann = await tab(browser, gate.origin, "ann");
  const bob = await tab(browser, gate.origin, "bob");
  await say(ann.page, "before");
  await shows(bob.page, "before");
  await server.kill();
  await ann.page.waitForSelector('#state:not([data-name="ready"])');
  await bob.page.waitForSelector('#state:not([data-name="ready"])');
  server = await ChatServer.start(server.port);
  await Promise.all([hasCaughtUp(ann.page), hasCaughtUp(bob.page)]);
  // The rooms of a server are gone with it, and the page says so.
  assert.equal((await bob.page.$$(".notice.gap")).length, 1);
  await say(ann.page, "after");
  await shows(bob.page, "after");
  assert.deepEqual(await messages(bob.page), ["before", "after"]);
  await bob.page.waitForFunction(() => document.querySelectorAll("#members li").length === 2);
  assert.deepEqual([...ann.errors, ...bob.errors].filter((error) => !LOST.test(error)), []);
});

test("a page of a foreign origin gets no connection", LONG, async () => {
  const foreign = createServer((_, answer) => answer.end("<!doctype html><title>foreign</title>"));
  foreign.listen(0, "127.0.0.1");
  await once(foreign, "listening");
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${foreign.address().port}/`);
  const dial = (url) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, "wsp1.json");
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("refused");
    });
  const url = `ws://127.0.0.1:${gate.port}/ws`;
  assert.equal(await page.evaluate(dial, url), "refused");
  // The same from a page of the server: what is refused is the origin.
  const own = await tab(browser, gate.origin, "ann");
  assert.equal(await own.page.evaluate(dial, url), "open");
  foreign.close();
});

test("the page runs no script but its own, and speaks to no other server", LONG, async () => {
  const ann = await tab(browser, gate.origin, "ann");
  await keepsToItself(ann.page);
});

test("all frames of these tabs are what the schemas say", LONG, async () => {
  const seen = new Set(frames.map(({ text }) => JSON.parse(text).type));
  for (const type of ["$hello", "$welcome", "join.ok", "history.ok", "room.said", "typing.keys"]) {
    assert.ok(seen.has(type), `no ${type} among ${[...seen].sort()}`);
  }
  const schemas = new Schemas();
  schemas.judge(frames);
  schemas.close();
});
