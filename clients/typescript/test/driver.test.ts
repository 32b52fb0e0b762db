import assert from "node:assert/strict";
import { test as told } from "node:test";
import { Rejection, type FullClient, type FullOptions } from "../src/index.js";
import { Script } from "./script.js";

/** A test with a scripted server and a client of it. */
function test(
  name: string,
  options: Partial<FullOptions>,
  run: (script: Script, client: FullClient) => Promise<void>,
): void {
  told(name, { timeout: 10_000 }, async () => {
    const script = await Script.start();
    const client = script.client(options);
    try {
      await run(script, client);
    } finally {
      script.stop(client);
    }
  });
}

let asked = 0;
const token = () => `token-${++asked}`;
test("credentials are asked for before every attempt", { token }, async (script) => {
  for (const expected of ["token-1", "token-2", "token-3"]) {
    const peer = await script.peer();
    assert.equal((await peer.welcome()).payload.auth.token, expected);
    peer.socket.terminate();
  }
});

const other = { token: () => `other-${++asked}` };
test("other credentials are brought before those before expire", other, async (script) => {
  const peer = await script.peer();
  const hello = await peer.welcome({}, { auth: { expires_in_ms: 20 } });
  const auth = await peer.frame("$auth");
  assert.notEqual(auth.payload.token, hello.payload.auth.token);
  assert.match(auth.payload.token, /^other-/);
  peer.send("$auth_ok", {}, { re: auth.id });
});

test("a session is resumed with its last ticket", {}, async (script) => {
  const first = await script.peer();
  assert.equal((await first.welcome({ ticket: "t1" })).payload.resume, undefined);
  first.say("$unsubbed", { code: "internal", reason: "", retry: "never" }, { ch: "room/x" });
  first.socket.close(1012);
  const second = await script.peer();
  const { resume } = (await second.frame("$hello")).payload;
  assert.deepEqual(resume, { session: "s", ticket: "t1", recv: 1 });
});

const requests = { join: { idempotent: true } };
test("what may run twice is asked again of a new session", { requests }, async (script, client) => {
  const reply = client.call("join", { room: "a" });
  const first = await script.peer();
  await first.welcome();
  const { key, id } = await first.frame("join");
  first.socket.terminate();
  const second = await script.peer();
  await second.welcome();
  const again = await second.frame("join");
  assert.ok(key);
  assert.deepEqual([again.key, again.seq, again.id === id], [key, 1, false]);
  second.say("join.ok", { members: 1 }, { re: again.id });
  assert.deepEqual(await reply, { members: 1 });
});

test("what may run once has an unknown outcome", {}, async (script, client) => {
  const reply = client.call("join", { room: "a" });
  const first = await script.peer();
  await first.welcome();
  await first.frame("join");
  first.socket.terminate();
  const failed = assert.rejects(reply, { kind: "lost", outcome: "Unknown" });
  await (await script.peer()).welcome();
  await failed;
});

test("what a server that stops refused is asked of the next one", {}, async (script, client) => {
  const reply = client.call("join", { room: "a" });
  const first = await script.peer();
  await first.welcome();
  const { id } = await first.frame("join");
  first.say("$err", { code: "draining", message: "stops", retry: "safe" }, { re: id });
  first.send("$close", { code: 4000, reason: "stops", retry_after_ms: [0, 1] });
  const second = await script.peer();
  await second.welcome();
  second.say("join.ok", 7, { re: (await second.frame("join")).id });
  assert.equal(await reply, 7);
});

test("an abort travels as a cancel, and its error says why", {}, async (script, client) => {
  const stop = new AbortController();
  const reply = client.call("join", {}, { signal: stop.signal });
  const peer = await script.peer();
  await peer.welcome();
  const { id } = await peer.frame("join");
  stop.abort("enough");
  await assert.rejects(reply, { kind: "cancelled", outcome: "Unknown", cause: "enough" });
  assert.equal((await peer.frame("$cancel")).re, id);
});

test("an upload sends a part for each credit, and then its end", {}, async (script, client) => {
  const reply = client.upload("import", { name: "a" }, [1, 2, 3, 4, 5]);
  const peer = await script.peer();
  await peer.welcome();
  const { id } = await peer.frame("import");
  const parts = [];
  for (let n = 0; n < 5; n++) {
    peer.say("$credit", { n: 1 }, { re: id });
    parts.push((await peer.frame("import.part")).payload);
  }
  assert.deepEqual(parts, [1, 2, 3, 4, 5]);
  assert.equal((await peer.frame("$end")).re, id);
  peer.say("import.ok", { parts: 5 }, { re: id });
  assert.deepEqual(await reply, { parts: 5 });
});

test("an upload waits for room, and goes on when there is some", {}, async (script, client) => {
  const part = "x".repeat(60_000);
  const reply = client.upload("import", {}, Array.from({ length: 12 }, () => part));
  const peer = await script.peer();
  await peer.welcome();
  const { id } = await peer.frame("import");
  peer.say("$credit", { n: 12 }, { re: id });
  for (let n = 0; n < 12; n++) {
    const { seq } = await peer.frame("import.part");
    peer.send("$ack", {}, { ack: seq });
  }
  await peer.frame("$end");
  peer.say("import.ok", 12, { re: id });
  assert.equal(await reply, 12);
});

test("a stream gives more credit as its items are read", {}, async (script, client) => {
  const stream = client.stream("history", {}, { credit: 2 });
  const peer = await script.peer();
  await peer.welcome();
  const { id } = await peer.frame("history");
  assert.equal((await peer.frame("$credit")).payload.n, 2);
  for (const n of [1, 2]) peer.say("history.item", n, { re: id });
  assert.equal((await stream.next()).value, 1);
  assert.equal((await stream.next()).value, 2);
  assert.equal((await peer.frame("$credit")).payload.n, 1);
  await stream.return?.();
  assert.equal((await peer.frame("$cancel")).re, id);
  await assert.rejects(stream.reply);
});

test("items beyond their credit close the connection", {}, async (script, client) => {
  const stream = client.stream("history", {}, { credit: 2 });
  stream.reply.catch(() => {});
  const peer = await script.peer();
  await peer.welcome();
  const { id } = await peer.frame("history");
  for (let n = 0; n < 9; n++) peer.say("history.item", n, { re: id });
  assert.equal(await peer.closed(), 4500);
});

const handlers = {
  confirm: { handle: (payload: any) => ({ yes: payload.text === "Leave?" }) },
  refuse: {
    handle: () => {
      throw new Rejection("busy");
    },
  },
};
test("what the server asks is served", { handlers }, async (script) => {
  const peer = await script.peer();
  await peer.welcome();
  peer.say("confirm", { text: "Leave?" });
  assert.deepEqual((await peer.frame("confirm.ok")).payload, { yes: true });
  peer.say("refuse", {});
  assert.equal((await peer.frame("refuse.err")).payload, "busy");
  peer.say("dance", {});
  assert.equal((await peer.frame("$err")).payload.code, "unimplemented");
});

test("an answer names its request in lower case", { handlers }, async (script) => {
  const peer = await script.peer();
  await peer.welcome();
  const answers = { confirm: "confirm.ok", refuse: "refuse.err", dance: "$err" };
  for (const [at, [type, answer]] of Object.entries(answers).entries()) {
    const id = `0199C82C-C000-7000-8000-00000000ABC${at}`;
    peer.socket.send(JSON.stringify({ type, id, ts: 0, seq: at + 1, payload: {} }));
    assert.equal((await peer.frame(answer)).re, id.toLowerCase());
  }
});

test("a hello that is refused for now is said again", {}, async (script, client) => {
  const peer = await script.peer();
  await peer.frame("$hello");
  const error = { code: "overloaded", message: "full", retry: "after", after_ms: 0 };
  peer.send("$reject", { close: 4301, error, protocol: "test", supported: [1, 1] });
  await (await script.peer()).welcome();
  await client.call("join", {}, { timeoutMs: 20 }).catch(() => {});
  assert.equal(client.state.name, "ready");
});

test("a message that is no text closes the connection", {}, async (script, client) => {
  const peer = await script.peer();
  await peer.welcome();
  peer.socket.send(Buffer.from([0xc0]));
  assert.equal(await peer.closed(), 4504);
  assert.equal(client.state.name === "closed" && client.state.error?.code, 4504);
});

test("a message that is too large closes the connection", {}, async (script) => {
  const peer = await script.peer();
  await peer.welcome();
  peer.send("$pong", { t: 1, now: "x".repeat(70_000) });
  assert.equal(await peer.closed(), 4503);
});

test("a subscription whose history is gone says so", {}, async (script, client) => {
  const it = client.subscribe("room/x");
  const first = await script.peer();
  await first.welcome();
  const sub = await first.frame("$sub");
  first.say("$ok", { epoch: "e1", off: 4 }, { re: sub.id, ch: "room/x" });
  await it.ready;
  first.send("room.said", "a", { ch: "room/x", off: 5, prev: 4 });
  assert.deepEqual((await it.next()).value, { type: "said", payload: "a", off: 5 });
  first.socket.terminate();
  const second = await script.peer();
  await second.welcome();
  const again = await second.frame("$sub");
  assert.deepEqual(again.payload.since, { epoch: "e1", off: 5 });
  const lost = { epoch: "e2", off: 1, recovered: false, reason: "epoch" };
  second.say("$ok", lost, { re: again.id, ch: "room/x" });
  assert.deepEqual((await it.next()).value, { type: "$gap", reason: "epoch" });
  it.close();
  assert.equal((await second.frame("$unsub")).ch, "room/x");
});

told("a server that echoes another sub-protocol is left", { timeout: 10_000 }, async () => {
  const script = await Script.start("wsp1.msgpack");
  const client = script.client();
  await assert.rejects(client.call("join", {}), { outcome: "NotSent" });
  assert.equal(client.state.name, "closed");
  script.stop(client);
});

told("after too many attempts the client stops, and may be told to go on", async () => {
  const script = await Script.start();
  const { url } = script;
  const gone = script.client({ backoff: { baseMs: 1, maxMs: 1, attempts: 2 } });
  const states: string[] = [];
  gone.onState(({ name }) => states.push(name));
  const over = new Promise<void>((resolve) => {
    gone.onState(({ name }) => name === "closed" && resolve());
  });
  script.server.on("connection", (socket) => socket.terminate());
  const call = gone.call("join", {});
  await assert.rejects(call, { kind: "lost", outcome: "NotSent" });
  await over;
  assert.match(String(gone.state.name === "closed" && gone.state.error), /gave up/);
  assert.ok(url);
  script.server.removeAllListeners("connection");
  const back = new Promise<string>((resolve) => {
    script.server.on("connection", (socket) => socket.once("message", (it) => resolve(`${it}`)));
  });
  gone.reconnect();
  assert.match(await back, /\$hello/);
  script.stop(gone);
});
