import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { msgpack } from "../src/msgpack.js";
import { json } from "../src/wire.js";
import { blocks, run } from "./room.js";

const folder = new URL("../../../../docs/sessions/", import.meta.url);

/** A block whose client is the script is about a server, and so is one that has no client. */
const all = readdirSync(folder)
  .filter((file) => file.endsWith(".md") && file !== "README.md")
  .flatMap((file) => blocks(file, readFileSync(new URL(file, folder), "utf8")));
const ours = all.filter(({ lines }) => !lines.some(({ text }) => text === "peer C"));

for (const format of [json, msgpack]) {
  for (const block of ours) {
    test(`transcript ${block.name} in ${format.protocol}`, () => run(block, format));
  }
}

/** What a client without parts can neither be asked nor told. */
const PART = /^(C app[<>] (request|stop|answer|auth\w*|renewed|not_renewed)|S: (confirm|locate)) ?/;
const bare = ours.filter(({ lines }) => !lines.some(({ text }) => PART.test(text)));
for (const block of bare) {
  test(`transcript ${block.name} without parts`, () => run(block, json, false));
}

test("the transcripts were found", () => {
  assert.ok(ours.length > 80, `${ours.length} of ${all.length} blocks`);
  assert.ok(bare.length > 60, `${bare.length} without parts`);
});
