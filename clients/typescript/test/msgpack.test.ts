import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { address } from "../src/index.js";
import { decode, encode, msgpack } from "../src/msgpack.js";
import { ChatServer, HASTE, guest, reached } from "./chat.js";

let server: ChatServer;
before(async () => {
  server = await ChatServer.start();
});
after(() => server.stop());

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

/** The example of docs/protocol.md, section 2. */
const EXAMPLE =
  "95 a46a6f696e c4100199c82cc00070008000000000000001 cf00000199c82cc000" +
  "82 a3736571 01 a374746c cd1388 81 a4726f6f6d a56c6f626279";

test("the example of the protocol is read and written byte by byte", () => {
  const id = "0199c82c-c000-7000-8000-000000000001";
  const head = { type: "join", id, ts: 1_760_000_000_000, seq: 1, ttl: 5000 };
  const read = msgpack.read(bytes(EXAMPLE));
  assert.deepEqual(read, { ...head, payload: { room: "lobby" } });
  const body = msgpack.body({ room: "lobby" });
  assert.equal(hex(msgpack.write({ head, body }) as Uint8Array), EXAMPLE.replaceAll(" ", ""));
});

test("each value is written in its smallest form, and read again", () => {
  const of = (value: unknown) => hex(encode(value));
  const integers: [number, string][] = [
    [0, "00"],
    [127, "7f"],
    [128, "cc80"],
    [255, "ccff"],
    [256, "cd0100"],
    [65_536, "ce00010000"],
    [2 ** 32, "cf0000000100000000"],
    [2 ** 53 - 1, "cf001fffffffffffff"],
    [-1, "ff"],
    [-32, "e0"],
    [-33, "d0df"],
    [-128, "d080"],
    [-129, "d1ff7f"],
    [-32_769, "d2ffff7fff"],
    [-(2 ** 31), "d280000000"],
    [-(2 ** 31) - 1, "d3ffffffff7fffffff"],
    [1.5, "cb3ff8000000000000"],
  ];
  for (const [value, written] of integers) {
    assert.equal(of(value), written);
    assert.equal(decode(bytes(written)), value);
  }
  const long = (length: number) => "x".repeat(length);
  for (const value of [
    [null, true, false, "", "é", long(31), long(32), long(256), long(70_000)],
    { a: [], b: {}, c: Array.from({ length: 20 }, (_, n) => n), ["__proto__"]: 1 },
    Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`k${n}`, n])),
    Array.from({ length: 70_000 }, () => 1),
  ]) {
    assert.deepEqual(decode(encode(value)), value);
  }
  const read = decode(encode({ b: new Uint8Array([1, 2]) })) as { b: Uint8Array };
  assert.deepEqual([...read.b], [1, 2]);
  assert.equal(of({ a: undefined, at: new Date(0) }), of({ at: "1970-01-01T00:00:00.000Z" }));
});

test("what is not of the format is refused, whatever length it declares", () => {
  let deep = "00";
  for (let level = 0; level < 31; level++) deep = `91${deep}`;
  assert.ok(decode(bytes(deep)));
  for (const [why, text] of [
    ["nothing", ""],
    ["bytes after the value", "0000"],
    ["the code that is never used", "c1"],
    ["an extension", "d40100"],
    ["an array longer than the message", "ddffffffff00"],
    ["a map longer than the message", "dfffffffff00"],
    ["a text longer than the message", "dbffffffff61"],
    ["bytes longer than the message", "c6ffffffff00"],
    ["half an integer", "ce0000"],
    ["an integer that is too large", "cf0020000000000000"],
    ["one that is too small", "d3ffdfffffffffffff"],
    ["no number", "cb7ff8000000000000"],
    ["no UTF-8", "a1ff"],
    ["a surrogate in UTF-8", "a3eda080"],
    ["a key that is no text", "810000"],
    ["a key that comes twice", "82a16100a16100"],
    ["a nesting too deep", `91${deep}`],
  ] as const) {
    assert.throws(() => decode(bytes(text)), Error, why);
  }
  for (const value of [NaN, Infinity, 1n, () => 1, Symbol("x")]) {
    assert.throws(() => encode(value), TypeError);
  }
});

test("no change and no cut of a message makes an envelope that is not sound, or throws", () => {
  const whole = bytes(EXAMPLE);
  assert.equal(msgpack.read("text"), 4504);
  for (let length = 0; length < whole.length; length++) {
    assert.equal(msgpack.read(whole.slice(0, length)), undefined, `cut at ${length}`);
  }
  let read = 0;
  for (let at = 0; at < whole.length; at++) {
    for (let byte = 0; byte < 256; byte++) {
      const changed = whole.slice();
      changed[at] = byte;
      const it = msgpack.read(changed);
      if (it === undefined) continue;
      read++;
      assert.ok(typeof it === "object" && typeof it.type === "string" && it.id.length === 36);
      assert.ok(Number.isSafeInteger(it.ts) && it.ts >= 0 && "payload" in it);
    }
  }
  // Most bytes are of the id, the time and the texts.
  assert.ok(read > 5000, `${read}`);
});

test("the real server is spoken to in MessagePack", { timeout: 60_000 }, async () => {
  const ann = guest(server.url, "ann", { format: msgpack, backoff: HASTE });
  const bob = guest(server.url, "bob");
  const { epoch, off } = await ann.call("join", { room: "pack" });
  await bob.call("join", { room: "pack" });
  const heard = ann.subscribe(address("room", "pack"), { since: { epoch, off } });
  await bob.call("post", { room: "pack", text: "from JSON" });
  await ann.call("post", { room: "pack", text: "from MessagePack: é" });
  const texts: string[] = [];
  for await (const item of heard) {
    if (item.type === "said") texts.push(item.payload.text);
    if (texts.length === 2) break;
  }
  assert.deepEqual(texts, ["from JSON", "from MessagePack: é"]);
  const said = [];
  for await (const item of ann.stream("history", { room: "pack", limit: 10 })) said.push(item.text);
  assert.deepEqual(said, texts);
  const error = await ann.call("post", { room: "nowhere", text: "x" }).catch((it) => it);
  assert.equal(error.error, "not_a_member");
  ann.close();
  bob.close();
  await reached(ann, "closed");
});
