import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CallError, address } from "../src/index.js";
import { msgpack } from "../src/msgpack.js";
import { json } from "../src/wire.js";
import { ChatServer, HASTE, guest, reached } from "./chat.js";
import { storm } from "./storm.js";

let server: ChatServer;
before(async () => {
  server = await ChatServer.start();
});
after(() => server.stop());

test("a call, a stream and a subscription of the real server", { timeout: 60_000 }, async () => {
  const ann = guest(server.url, "ann");
  const bob = guest(server.url, "bob");
  const joined = await ann.call("join", { room: "den" });
  await bob.call("join", { room: "den" });
  const since = { epoch: joined.epoch, off: joined.off };
  const heard = ann.subscribe(address("room", "den"), { since });
  await heard.ready;
  for (let n = 0; n < 50; n++) await bob.call("post", { room: "den", text: `${n}` });
  const texts: string[] = [];
  let isLive = false;
  for await (const item of heard) {
    if (item.type === "said") texts.push(item.payload.text);
    else if (item.type === "$live") isLive = true;
    else if (item.type === "entered") assert.equal(item.payload.who, "bob");
    else assert.fail(`unexpected: ${JSON.stringify(item)}`);
    if (texts.length === 50) break;
  }
  assert.deepEqual(texts, Array.from({ length: 50 }, (_, n) => `${n}`));
  assert.ok(isLive);
  const stream = ann.stream("history", { room: "den", limit: 100 }, { credit: 4 });
  const items = [];
  for await (const item of stream) items.push(item.text);
  assert.deepEqual(items, texts);
  assert.deepEqual(await stream.reply, { older: 0 });
  ann.close();
  bob.close();
});

test("a typed error and a fault say what happened", { timeout: 60_000 }, async () => {
  const eve = guest(server.url, "eve");
  const error = await eve.call("post", { room: "nowhere", text: "x" }).catch((it) => it);
  assert.ok(error instanceof CallError);
  assert.deepEqual([error.kind, error.outcome, error.error], ["err", "Processed", "not_a_member"]);
  const stream = eve.stream("history", { room: "nowhere", limit: 1 });
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, CallError);
  await assert.rejects(stream.reply, { outcome: "Processed" });
  const closed = eve.subscribe("room/nowhere");
  await assert.rejects(closed.ready, { kind: "fault" });
  await assert.rejects(closed.next(), { kind: "fault" });
  eve.close();
});

test("refused credentials stop the client, and it says why", { timeout: 60_000 }, async () => {
  const nobody = guest(server.url, "");
  const call = nobody.call("list_rooms", {});
  await assert.rejects(call, { kind: "lost", outcome: "NotSent" });
  const { state } = nobody;
  assert.equal(state.name === "closed" && state.error?.code, 4600);
});

test("a version that nobody speaks stops the client", { timeout: 60_000 }, async () => {
  const old = guest(server.url, "old", { versions: [7, 9] });
  const state = await reached(old, "closed");
  assert.equal(state.name === "closed" && state.error?.code, 4511);
  assert.deepEqual(state.name === "closed" && state.error?.reject.supported, [1, 2]);
});

test("an aborted call is cancelled", { timeout: 60_000 }, async () => {
  const ann = guest(server.url, "ann");
  await reached(ann, "ready");
  const stop = new AbortController();
  const stream = ann.stream("history", { room: "x", limit: 1 }, { signal: stop.signal });
  stop.abort(new Error("no longer wanted"));
  await assert.rejects(stream.reply, { kind: "cancelled", outcome: "Unknown" });
  const late = ann.call("list_rooms", {}, { signal: AbortSignal.abort() });
  await assert.rejects(late, { kind: "cancelled", outcome: "NotSent" });
  assert.ok(await ann.call("list_rooms", {}));
  ann.close();
});

test("while away calls wait, as long as their time lasts", { timeout: 60_000 }, async () => {
  const away = guest("ws://127.0.0.1:1/ws", "away", { backoff: HASTE });
  const call = away.call("list_rooms", {}, { timeoutMs: 50 });
  await assert.rejects(call, { kind: "timeout", outcome: "NotSent" });
  const waiting = Array.from({ length: 1200 }, () => away.call("list_rooms", {}));
  const ends = Promise.allSettled(waiting);
  await assert.rejects(waiting.at(-1) as Promise<unknown>, { outcome: "NotSent", kind: "fault" });
  away.close();
  const outcomes = (await ends).map((it) => it.status === "rejected" && it.reason.outcome);
  assert.ok(outcomes.every((it) => it === "NotSent"));
});

// Beside each other: they wait more than they work.
describe("nothing is lost or doubled over 200 reconnects", { concurrency: true }, () => {
  for (const [format, seed] of [[json, 7], [msgpack, 8]] as const) {
    test(`in ${format.protocol}`, { timeout: 240_000 }, async () => {
      const { welcomes, posted } = await storm(server, 200, seed, { format });
      assert.ok(welcomes >= 200 && posted > 200);
    });
  }
});

test("a server that drains is left, and its successor is found", { timeout: 60_000 }, async () => {
  let own = await ChatServer.start();
  const ann = guest(own.url, "ann", { backoff: HASTE });
  await ann.call("join", { room: "den" });
  const lobby = ann.subscribe("lobby");
  await lobby.ready;
  const { port } = own;
  const left = reached(ann, "waiting");
  await own.stop("SIGTERM");
  assert.match(JSON.stringify(await left), /4000/);
  own = await ChatServer.start(port);
  assert.ok(await ann.call("join", { room: "den" }));
  // The new process has another history: that is said.
  assert.equal((await lobby.next()).value.type, "$gap");
  ann.close();
  const rest = [];
  for await (const { type } of lobby) rest.push(type);
  assert.equal(rest.at(-1), "$ended");
  await own.stop();
});
