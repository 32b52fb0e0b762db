// The page that shows the live server, in a real browser, while two people chat.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatServer, browse, keepsToItself, say, shows, tab } from "./chat.mjs";

const LONG = { timeout: 120_000 };
const TOKEN = "open sesame";
process.env.CHAT_INSPECT_TOKEN = TOKEN;

let browser;
let server;
let origin;
before(async () => {
  [browser, server] = await Promise.all([browse(), ChatServer.start()]);
  origin = `http://127.0.0.1:${server.port}`;
}, LONG);
after(async () => {
  await browser.close();
  await server.kill();
});

/** The page of the live server, and what its console says. */
async function look(query) {
  const page = await (await browser.createBrowserContext()).newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => errors.push(message.text()));
  const answer = await page.goto(`${origin}/inspect${query}`);
  return { page, errors, status: answer.status() };
}

const allowed = `?token=${encodeURIComponent(TOKEN)}`;
const names = (page) =>
  page.$$eval("#rows tr td:first-child b", (all) => all.map((it) => it.textContent));

test("who has no token sees no page", LONG, async () => {
  for (const query of ["", "?token=open"]) assert.equal((await look(query)).status, 403);
});

test("two connections, and the frames of one, with its answers and without its texts", LONG, async () => {
  const ann = await tab(browser, origin, "ann");
  const bob = await tab(browser, origin, "bob");
  const live = await look(allowed);
  assert.equal(live.status, 200);
  const both = () => document.querySelectorAll("#rows tr.connected").length === 2;
  await live.page.waitForFunction(both);
  assert.deepEqual(await names(live.page), ["bob", "ann"], "the newest first");

  // The first question for its frames is where they begin.
  const asked = live.page.waitForResponse((answer) => answer.url().includes("show=frames"));
  await live.page.evaluate(() => document.querySelectorAll("#rows tr")[1].click());
  await asked;
  await say(ann.page, "the combination is 4711");
  await shows(bob.page, "the combination is 4711");
  const answered = await live.page.waitForSelector('#frames [data-kind="post.ok"] .answers');
  assert.match(await answered.evaluate((it) => it.textContent), /^[\d.]+ m?s$/);
  const post = await live.page.$eval('#frames [data-kind="post"] pre', (it) => it.textContent);
  assert.deepEqual(JSON.parse(post), { room: "lobby", text: "(hidden)" });
  // Not by the mouse: the frames that follow move the place that it aims at.
  await answered.evaluate((it) => it.click());
  assert.ok(await live.page.$('#frames [data-kind="post"].found'), "the question is shown");
  const said = await live.page.waitForSelector('#frames [data-kind="room.said"]');
  assert.ok(said);
  const html = await live.page.content();
  assert.ok(!html.includes("4711"), "what is redacted is nowhere in the page");

  await live.page.type("#filter", "post.");
  const kinds = (all) => [...new Set(all.map((it) => it.dataset.kind))];
  assert.deepEqual(await live.page.$$eval("#frames li:not(.out)", kinds), ["post.ok"]);
  await live.page.type("#find", "bob");
  await live.page.waitForFunction(() => document.querySelectorAll("#rows tr").length === 1);
  assert.deepEqual(await names(live.page), ["bob"]);
  // Rates, after two looks.
  await live.page.waitForFunction(() =>
    /\/s$/.test(document.querySelector("#rows td:nth-child(4) span").textContent),
  );
  assert.deepEqual(live.errors, []);
});

test("a name that looks like HTML stays a name", LONG, async () => {
  const eve = await tab(browser, origin, "<i>eve</i>");
  const live = await look(allowed);
  await live.page.waitForFunction(() => document.querySelector("#rows tr.connected"));
  assert.ok((await names(live.page)).includes("<i>eve</i>"));
  assert.equal(await live.page.$("#rows i"), null);
  assert.deepEqual([...live.errors, ...eve.errors], []);
});

test("the page runs no script but its own, and speaks to no other server", LONG, async () => {
  const live = await look(allowed);
  await keepsToItself(live.page);
});

test("a server that is gone is said to be gone, and one that is back is shown", LONG, async () => {
  const live = await look(allowed);
  await live.page.waitForSelector("#dot.good");
  const { port } = server;
  await server.kill();
  await live.page.waitForSelector("#trouble:not([hidden])");
  server = await ChatServer.start(port);
  await live.page.waitForSelector("#trouble[hidden]");
  await live.page.waitForSelector("#dot.good");
});
