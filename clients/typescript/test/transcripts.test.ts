import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { blocks, run } from "./room.js";

const folder = new URL("../../../../docs/sessions/", import.meta.url);

/** A block whose client is the script is about a server, and so is one that has no client. */
const all = readdirSync(folder)
  .filter((file) => file.endsWith(".md") && file !== "README.md")
  .flatMap((file) => blocks(file, readFileSync(new URL(file, folder), "utf8")));
const ours = all.filter(({ lines }) => !lines.some(({ text }) => text === "peer C"));

/** Not built: this client lets its credentials expire, and comes back with new ones (4200). */
const renews = ({ lines }: (typeof ours)[number]) =>
  lines.some(({ text }) => /\$auth|auth_required|\bapp> auth\b/.test(text));

for (const block of ours) {
  const skip = renews(block) && "credentials are not renewed on a living connection";
  test(`transcript ${block.name}`, { skip }, () => run(block));
}

test("the transcripts were found", () => {
  assert.ok(ours.length > 80, `${ours.length} of ${all.length} blocks`);
});
