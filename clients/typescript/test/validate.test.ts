import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { shapes } from "../examples/chat/shapes.js";
import { CallError } from "../src/index.js";
import { validate, validation, type Schema } from "../src/validate.js";
import { Script } from "./script.js";

const within = { timeout: 10_000 };
const check = (type: string, payload: unknown) =>
  validate({ ...shapes.client, ...shapes.server }[type] as Schema, payload, shapes.$defs);

const GOOD: Record<string, any> = {
  join: { room: "a", unknown: [1] },
  "join.ok": { epoch: "e", off: 3, members: ["ann", "bob"] },
  "join.err": "full",
  "list_rooms.ok": { rooms: [{ name: "a", members: 2 }, { name: "b", members: 0 }] },
  "room.said": { at: 1, by: "ann", number: 2, text: "x" },
  "leave.ok": null,
};

test("the shapes of the chat are those of its contract", () => {
  const root = new URL("../../", import.meta.url);
  const script = new URL("scripts/shapes.mjs", root).pathname;
  const schema = new URL("../../schema/chat.json", root).pathname;
  const fresh = execFileSync(process.execPath, [script, schema], { encoding: "utf8" });
  const kept = readFileSync(new URL("examples/chat/shapes.ts", root), "utf8");
  assert.equal(kept, fresh.replace("ws-proto-client/validate", "../../src/validate.js"));
});

test("what is right has no mistake, and unknown fields are ignored", () => {
  for (const [type, payload] of Object.entries(GOOD)) assert.equal(check(type, payload), undefined);
});

test("each mutation of a payload has one mistake, with its path", () => {
  let mutations = 0;
  const mutate = (type: string, whole: any, at: any, path: string[]) => {
    for (const name of Object.keys(at)) {
      const value = at[name];
      const here = `/${[...path, name].join("/")}`;
      if (name === "unknown") continue;
      for (const wrong of [null, true, 1.5, {}, "x", -1e300]) {
        if (typeof wrong === typeof value && !(typeof value === "number")) continue;
        at[name] = wrong;
        assert.equal(check(type, whole)?.path, here, `${type} ${here} = ${JSON.stringify(wrong)}`);
        mutations++;
      }
      if (!Array.isArray(at)) {
        delete at[name];
        assert.deepEqual(check(type, whole), { path: here, message: "is missing" });
        mutations++;
      }
      at[name] = value;
      if (Object(value) === value) mutate(type, whole, value, [...path, name]);
    }
  };
  for (const [type, payload] of Object.entries(GOOD)) {
    if (Object(payload) === payload) mutate(type, structuredClone(payload), {}, []);
    const whole = structuredClone(payload);
    if (Object(whole) === whole) mutate(type, whole, whole, []);
    for (const wrong of [1, [], "other"]) assert.equal(check(type, wrong)?.path, "", type);
  }
  assert.ok(mutations > 60, `${mutations}`);
});

test("of several choices the one that fits deepest is judged", () => {
  const choice: Schema = {
    oneOf: [
      { enum: ["full"], type: "string" },
      {
        type: "object",
        required: ["banned"],
        properties: {
          banned: {
            type: "object",
            required: ["a/b"],
            properties: { "a/b": { type: "integer", minimum: 0 } },
          },
        },
      },
    ],
  };
  assert.equal(validate(choice, "full"), undefined);
  assert.equal(validate(choice, { banned: { "a/b": 1 } }), undefined);
  assert.equal(validate(choice, { banned: { "a/b": -1 } })?.path, "/banned/a~1b");
  assert.match(validate(choice, 7)?.message ?? "", /none of 2 choices/);
  assert.equal(validate({ type: "string", maxLength: 1 }, "😀"), undefined);
  assert.equal(validate({ items: { type: "null" } }, [null, 1])?.path, "/1");
  assert.equal(validate({ additionalProperties: { type: "null" } }, { a: 1 })?.path, "/a");
});

test("wrong payloads are told at the border, and the rest goes on", within, async () => {
  const script = await Script.start();
  const client = script.client({ with: [validation(shapes)] });
  const peer = await script.peer();
  await peer.welcome();
  const unsent = await client.call("join", { rooms: "a" }).catch((it) => it);
  assert.ok(unsent instanceof CallError);
  assert.deepEqual([unsent.kind, unsent.outcome], ["invalid", "NotSent"]);
  assert.match(unsent.message, /^join: \/room: is missing$/);
  const reply = client.call("join", { room: "a" });
  const failed = assert.rejects(reply, { outcome: "Processed", message: /\/members\/1: expected/ });
  const { id } = await peer.frame("join");
  peer.say("join.ok", { epoch: "e", off: 1, members: ["ann", 7] }, { re: id });
  await failed;
  const it = client.subscribe("room/a");
  const sub = await peer.frame("$sub");
  peer.say("$ok", { epoch: "e", off: 0 }, { re: sub.id, ch: "room/a" });
  peer.send("room.said", { text: "x" }, { ch: "room/a", off: 1, prev: 0 });
  peer.send("room.entered", { who: "ann" }, { ch: "room/a", off: 2, prev: 1 });
  const wrong = (await it.next()).value as any;
  assert.deepEqual([wrong.type, wrong.off, wrong.payload.event], ["$invalid", 1, "room.said"]);
  assert.equal(wrong.payload.path, "/number");
  assert.deepEqual((await it.next()).value, { type: "entered", payload: { who: "ann" }, off: 2 });
  const stream = client.stream("history", { room: "a", limit: 1 });
  const ended = assert.rejects(stream.reply, { outcome: "Unknown", message: /invalid/ });
  const history = await peer.frame("history");
  peer.say("history.item", { text: 1 }, { re: history.id });
  await ended;
  assert.equal((await peer.frame("$cancel")).re, history.id);
  assert.equal(client.state.name, "ready");
  script.stop(client);
});
