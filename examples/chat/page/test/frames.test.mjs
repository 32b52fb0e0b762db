// All frames of the chat, in both directions, under the schemas. The clients are those of
// clients/typescript with a tap in their sockets, and the server is the real one.
import { build } from "esbuild";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ChatServer } from "./chat.mjs";
import { Schemas } from "./judge.mjs";

const CLIENT = fileURLToPath(new URL("../../../../clients/typescript/", import.meta.url));
const WebSocket = createRequire(CLIENT)("ws");

const LIMIT = { timeout: 180_000 };
const HASTE = { baseMs: 5, maxMs: 20, attempts: 1_000, resetMs: 1_000 };

/** What the chat has no use for, and why. */
const UNUSED = {
  client: { $end: "no uploads", $err: "serves no callbacks" },
  server: {
    $auth_required: "names do not expire",
    $cancel: "asks its clients nothing",
    $credit: "no uploads",
    $end: "asks its clients nothing",
    $unsubbed: "takes no subscription away",
  },
};

const frames = [];
/** Who waits for a frame: tests of its sender and type. */
const waiting = new Set();
let server;
let library;
let folder;

/** A socket whose frames are kept. */
class Tap extends WebSocket {
  constructor(...words) {
    super(...words);
    this.on("message", (data) => keep("server", `${data}`));
  }

  send(text) {
    keep("client", text);
    super.send(text);
  }
}

function keep(by, text) {
  frames.push({ by, text });
  const { type } = JSON.parse(text);
  for (const it of waiting) {
    if (it.by !== by || it.type !== type) continue;
    waiting.delete(it);
    it.resolve();
  }
}

/** The next frame of a type. */
const next = (by, type) => new Promise((resolve) => waiting.add({ by, type, resolve }));

before(async () => {
  folder = mkdtempSync(join(process.env.TMPDIR ?? "/tmp", "chat-client-"));
  const entry = 'export * from "./src/index.js"; export { chat } from "./examples/chat/protocol.js";';
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: CLIENT, loader: "ts" },
    bundle: true,
    format: "esm",
    write: false,
  });
  const file = join(folder, "client.mjs");
  writeFileSync(file, outputFiles[0].text);
  library = await import(pathToFileURL(file));
  server = await ChatServer.start();
});
after(async () => {
  await server?.kill();
  rmSync(folder, { recursive: true });
});

function guest(name, more = {}) {
  const { chat, connect } = library;
  const url = `ws://127.0.0.1:${server.port}/ws`;
  const options = { ...chat, token: name, WebSocket: Tap, backoff: HASTE };
  return connect(url, { ...options, client: { name: "frames", version: "0" }, ...more });
}

const fails = (promise, kind) => assert.rejects(promise, { kind });

async function talks() {
  const [ann, bob] = [guest("ann"), guest("bob")];
  await ann.call("list_rooms", {});
  const joined = await ann.call("join", { room: "den" });
  const heard = ann.subscribe("room/den", { since: { epoch: joined.epoch, off: joined.off } });
  const lobby = bob.subscribe("lobby");
  const typing = ann.subscribe("typing/den");
  await Promise.all([heard.ready, lobby.ready, typing.ready]);
  await bob.call("join", { room: "den" });
  await bob.publish("typing/den", "keys", { who: "bob" });
  await bob.call("set_topic", { room: "den", topic: "tea & \"cake\" ☕" });
  for (let n = 0; n < 40; n++) await bob.call("post", { room: "den", text: `line ${n}` });
  const stream = ann.stream("history", { room: "den", limit: 100 }, { credit: 4 });
  for await (const { text } of stream) assert.match(text, /^line/);
  await stream.reply;
  const left = next("server", "room.left");
  await bob.call("leave", { room: "den" });
  await left;
  const types = [];
  for await (const { type } of heard) {
    types.push(type);
    if (type === "left") break;
  }
  assert.ok(types.includes("$live") && types.includes("topic_set"));
  for (const it of [lobby, typing]) it.close();
  await ann.call("list_rooms", {});
  return [ann, bob];
}

/** Every typed error, and the faults that a guest can have. */
async function errs() {
  const eve = guest("eve");
  const long = "x".repeat(4_001);
  await fails(eve.call("post", { room: "den", text: "x" }), "err");
  await fails(eve.call("set_topic", { room: "den", topic: "x" }), "err");
  const stream = eve.stream("history", { room: "den", limit: 1 });
  await fails(stream.reply, "err");
  await fails(stream.next(), "err");
  await fails(eve.call("join", { room: " " }), "err");
  await eve.call("join", { room: "nook" });
  await fails(eve.call("post", { room: "nook", text: long }), "err");
  await fails(eve.call("post", { room: "nook", text: " " }), "err");
  await fails(eve.call("set_topic", { room: "nook", topic: long }), "err");
  await fails(eve.subscribe("room/den").ready, "fault");
  await fails(eve.publish("typing/den", "keys", { who: "eve" }), "fault");
  const stop = new AbortController();
  const call = eve.call("list_rooms", {}, { signal: stop.signal });
  stop.abort();
  await fails(call, "cancelled");
  await eve.call("list_rooms", {});
  eve.close();
}

/** An old client is told that it misses nothing, and a room makes place for another. */
async function ages(bob) {
  const old = guest("old", { versions: [1, 1] });
  await old.call("join", { room: "den" });
  const heard = old.subscribe("room/den");
  await heard.ready;
  await bob.call("join", { room: "den" });
  const gap = next("server", "$gap");
  await bob.call("set_topic", { room: "den", topic: "version 2" });
  await gap;
  old.close();
  const lobby = bob.subscribe("lobby");
  await lobby.ready;
  const closed = next("server", "lobby.room_closed");
  for (let n = 0; n < 64; n++) {
    await bob.call("join", { room: `room ${n}` });
    await bob.call("leave", { room: `room ${n}` });
  }
  await closed;
}

/** Hellos that are refused, credentials that are renewed, and both ends of a connection. */
async function comesAndGoes(ann) {
  const stops = [guest("future", { versions: [8, 9] }), guest("")].map(
    (it) => new Promise((resolve) => it.onState(({ name }) => name === "closed" && resolve())),
  );
  await Promise.all(stops);
  const lives = next("server", "$pong");
  ann.reconnect();
  await lives;
  const answered = next("server", "$auth_ok");
  const tap = new Tap(`ws://127.0.0.1:${server.port}/ws`, ["wsp1.json"]);
  const id = () => crypto.randomUUID();
  const write = (type, payload, more) =>
    tap.send(JSON.stringify({ type, id: id(), ts: Date.now(), ...more, payload }));
  const welcome = next("server", "$welcome");
  tap.on("open", () => {
    write("$hello", { protocol: "chat", version: [1, 2], auth: { token: "zoe" } });
  });
  await welcome;
  write("$auth", { token: "zoe" });
  await answered;
  // What is cancelled is unknown, so that the server has nothing to say but that it came.
  const acknowledged = next("server", "$ack");
  write("$cancel", null, { re: id(), seq: 1 });
  await acknowledged;
  write("$close", { code: 1000, reason: "done" });
  tap.close(1000);
}

test("every frame that the chat knows is sent, and is what the schemas say", LIMIT, async () => {
  const idle = guest("idle");
  const pinged = next("server", "$ping");
  const [ann, bob] = await talks();
  await errs();
  await ages(bob);
  await comesAndGoes(ann);
  // A server asks for life where it has heard nothing for an interval: 30 s.
  await pinged;
  const drained = next("server", "$close");
  server.process.kill("SIGTERM");
  await drained;
  for (const client of [idle, ann, bob]) client.close();

  const schemas = new Schemas();
  for (const by of ["client", "server"]) {
    const sent = frames.filter((it) => it.by === by);
    const seen = new Set(sent.map(({ text }) => JSON.parse(text).type));
    const expected = schemas.types(by).filter((type) => !(type in UNUSED[by]));
    assert.deepEqual([...seen].sort(), [...new Set(expected)].sort(), by);
  }
  const { good, broken } = schemas.judge(frames);
  schemas.close();
  console.log(`${good} frames, and ${broken} broken ones`);
});
