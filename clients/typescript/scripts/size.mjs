// How large the client is for whoever loads it: bundled, minified, gzip. Fails above a bound.
import { build } from "esbuild";
import { gzipSync } from "node:zlib";

/** What the core should cost one day. */
const AIM = 6000;
/** What a program imports, and how many bytes it may cost. */
const PROGRAMS = {
  core: ['export { Client } from "./index.ts"', 9000],
  everything: ['export * from "./index.ts"', 11_600],
};
/** Parts, each with the core: what they cost more. */
const PARTS = {
  streams: 'export { stream } from "./index.ts"',
  uploads: 'export { upload } from "./index.ts"',
  callbacks: 'export { callbacks } from "./index.ts"',
  renewal: 'export { renewal } from "./index.ts"',
  msgpack: 'export { msgpack } from "./msgpack.ts"',
  share: 'export { share } from "./share.ts"',
  validate: 'export { validation } from "./validate.ts"',
};
const options = { bundle: true, minify: true, format: "esm", target: "es2022", write: false };
const resolveDir = new URL("../src", import.meta.url).pathname;

async function measure(contents) {
  const { outputFiles } = await build({ stdin: { contents, resolveDir, loader: "ts" }, ...options });
  const code = outputFiles[0].contents;
  return { minified: code.length, gzip: gzipSync(code, { level: 9 }).length };
}

const core = PROGRAMS.core[0];
for (const [name, [contents, bound]] of Object.entries(PROGRAMS)) {
  const { minified, gzip } = await measure(contents);
  console.log(`${name}: ${gzip} bytes gzip, ${minified} minified; at most ${bound} gzip`);
  if (gzip > bound) process.exitCode = 1;
  if (name === "core" && gzip > AIM) console.log(`  ${gzip - AIM} bytes above the aim of ${AIM}`);
}
const alone = await measure(core);
for (const [name, contents] of Object.entries(PARTS)) {
  const { gzip } = await measure(`${core}\n${contents}`);
  console.log(`  ${name}: ${gzip - alone.gzip} bytes gzip more`);
}
