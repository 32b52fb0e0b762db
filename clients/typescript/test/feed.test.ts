import assert from "node:assert/strict";
import { test } from "node:test";
import { CallError, address } from "../src/index.js";
import { feed as makeFeed } from "../src/feed.js";
import { BACKOFF, delay, uuid } from "../src/socket.js";
import { subscription } from "../src/subscription.js";
import { advice } from "../src/codes.js";
import { decode } from "../src/wire.js";

test("a position is consumed when the next item is asked for", async () => {
  const told: (number | undefined)[] = [];
  const feed = makeFeed<string>((off) => told.push(off), () => {});
  feed.push_("a", 1);
  feed.push_(undefined, 2);
  feed.push_("b", 3);
  assert.equal((await feed.next()).value, "a");
  assert.deepEqual(told, []);
  assert.equal((await feed.next()).value, "b");
  assert.deepEqual(told, [1, 2]);
});

test("who waits gets what comes, in order, and then the end", async () => {
  const feed = makeFeed<number>(() => {}, () => {});
  const waiting = [feed.next(), feed.next(), feed.next()];
  feed.push_(1);
  feed.push_(2);
  feed.finish_();
  const got = await Promise.all(waiting);
  assert.deepEqual(got.map((it) => it.value), [1, 2, undefined]);
  assert.deepEqual(got.map((it) => it.done), [false, false, true]);
});

test("leaving the loop tells it once", async () => {
  let left = 0;
  const feed = makeFeed<number>(() => {}, () => left++);
  feed.push_(1);
  for await (const _ of feed) break;
  await feed.return();
  assert.equal(left, 1);
  assert.equal((await feed.next()).done, true);
});

test("a reader of a best-effort channel that is slow is told how much it missed", async () => {
  const it = subscription<any>(() => {}, () => {}, 4);
  it.stands_({});
  for (let n = 0; n < 10; n++) {
    it.tell_({ type: "typing.keys", payload: n, off: undefined });
  }
  const first = (await it.next()).value;
  assert.equal(first.type, "$gap");
  const rest = [];
  while (it.entries_.length > 0) rest.push((await it.next()).value.payload);
  assert.deepEqual([first.dropped + rest.length, rest.at(-1)], [10, 9]);
});

test("a server that ignores the window is found out", () => {
  const it = subscription<any>(() => {}, () => {}, 4);
  it.stands_({ epoch: "e", off: 0 });
  const taken = Array.from({ length: 10 }, (_, n) =>
    it.tell_({ type: "room.said", payload: n, off: n + 1 }, n + 1));
  assert.deepEqual(taken.slice(7), [undefined, 4500, 4500]);
});

test("what is no envelope is refused", () => {
  const id = "0199c82c-c000-7000-8000-000000000001";
  const good = { type: "join", id, ts: 1, payload: {} };
  const reads = (it: object | string) =>
    decode(typeof it === "string" ? it : JSON.stringify(it)) !== undefined;
  assert.ok(reads(good));
  assert.ok(reads({ ...good, id: id.toUpperCase(), unknown: [1] }));
  let deep: unknown = 1;
  for (let level = 0; level < 64; level++) deep = [deep];
  for (const bad of [
    "",
    "null",
    "[]",
    "{} {}",
    { ...good, id: 7 },
    { ...good, id: "no" },
    { ...good, ts: -1 },
    { ...good, ts: 1.5 },
    { ...good, ts: 2 ** 53 },
    { ...good, payload: undefined },
    { ...good, seq: "1" },
    { ...good, re: null },
    { ...good, type: "" },
    { ...good, type: "x".repeat(129) },
    { ...good, payload: deep },
    { ...good, type: "$welcome" },
    { ...good, type: "$credit", payload: { n: -1 } },
    { ...good, type: "$close", payload: null },
  ]) {
    assert.ok(!reads(bad), JSON.stringify(bad));
  }
});

test("addresses are spelled in the one way that is legal", () => {
  assert.equal(address("lobby"), "lobby");
  assert.equal(address("room", ""), "room/");
  assert.equal(address("seat", "a/b c", -7, true), "seat/a%2Fb%20c/-7/true");
  assert.equal(address("room", "café"), "room/caf%C3%A9");
  assert.equal(address("room", "(it's!*)~._-"), "room/%28it%27s%21%2A%29~._-");
});

test("the range of a code says what to do", () => {
  const of = (code: number) => advice(code);
  assert.deepEqual([1006, 1000, 1001].map(of), ["resume", "stop", "resume"]);
  assert.deepEqual([4000, 4099, 4100, 4200].map(of), [
    "resume",
    "resume",
    "fresh_session",
    "new_credentials",
  ]);
  assert.deepEqual([4300, 4499, 4500, 4700, 4999].map(of), [
    "delay",
    "delay",
    "stop",
    "stop",
    "stop",
  ]);
});

test("delays double up to the longest, and a window of the server counts", () => {
  for (const [failed, base] of [1, 2, 4, 8, 16, 30, 30].entries()) {
    const ms = delay(BACKOFF, failed);
    assert.ok(ms >= base * 500 && ms <= base * 1500, `${failed}: ${ms}`);
  }
  const within = delay(BACKOFF, 0, [5000, 6000]);
  assert.ok(within >= 5000 && within <= 6000);
  assert.ok(delay(BACKOFF, 0, [1e12, 2e12]) <= 3_600_000);
});

test("an id is a UUID of version 7", () => {
  const shape = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
  const ids = Array.from({ length: 100 }, uuid);
  assert.ok(ids.every((id) => shape.test(id)));
  assert.equal(new Set(ids).size, 100);
});

test("an error of a call says its outcome", () => {
  const error = new CallError("join: the session was lost", { kind: "lost", outcome: "Unknown" });
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, error.outcome], ["CallError", "Unknown"]);
});
