// How large the client is for whoever loads it: bundled, minified, gzip. Fails above a bound.
import { build } from "esbuild";
import { gzipSync } from "node:zlib";

/** What a program imports, and how many bytes it may cost. */
const PROGRAMS = {
  core: ['export { Client } from "./index.ts"', 9000],
  everything: ['export * from "./index.ts"', 11_600],
};
const options = { bundle: true, minify: true, format: "esm", target: "es2022", write: false };
const resolveDir = new URL("../src", import.meta.url).pathname;

for (const [name, [contents, bound]] of Object.entries(PROGRAMS)) {
  const { outputFiles } = await build({ stdin: { contents, resolveDir, loader: "ts" }, ...options });
  const code = outputFiles[0].contents;
  const size = gzipSync(code, { level: 9 }).length;
  console.log(`${name}: ${size} bytes gzip, ${code.length} minified; at most ${bound} gzip`);
  if (size > bound) process.exitCode = 1;
}
