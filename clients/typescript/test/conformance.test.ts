import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const root = new URL("../../../../", import.meta.url);
const testee = fileURLToPath(new URL("../conformance/testee.js", import.meta.url));

// The cases wait more than they work.
describe("conformance", { concurrency: true }, () => {
  for (const format of ["json", "msgpack"]) {
    test(`the client passes the conformance cases in ${format}`, { timeout: 300_000 }, () =>
      judged(format),
    );
  }
});

/** By `cargo run -p wsp`, or the program that `WSP` names. */
async function judged(format: string): Promise<void> {
  const { WSP } = process.env;
  const cargo = ["run", "--quiet", "--package", "wsp", "--"];
  const how = ["--format", format, "--at-once", "8", "--", process.execPath, testee];
  const judge = ["conformance", "client", ...how];
  const [program, args] = WSP ? [WSP, judge] : ["cargo", [...cargo, ...judge]];
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const code = new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  const said = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.equal(await code, 0, said.join(""));
}
