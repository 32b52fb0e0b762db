import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = new URL("../../../../", import.meta.url);
const testee = fileURLToPath(new URL("../conformance/testee.js", import.meta.url));

for (const format of ["json", "msgpack"]) {
  test(`the client passes the conformance cases in ${format}`, { timeout: 300_000 }, () =>
    judged(format),
  );
}

function judged(format: string): void {
  const wsp = ["run", "--quiet", "--package", "wsp", "--"];
  const how = ["--format", format, "--at-once", "4", "--", process.execPath, testee];
  const judge = ["conformance", "client", ...how];
  const ran = spawnSync("cargo", [...wsp, ...judge], { cwd: root, encoding: "utf8" });
  assert.equal(ran.status, 0, `${ran.stdout}${ran.stderr}`);
}
