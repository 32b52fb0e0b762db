// How large the client is for whoever loads it: bundled, minified, gzip. Fails above a bound.
import { build } from "esbuild";
import { gzipSync } from "node:zlib";

const BOUNDS = { session: 6.25 * 1024, index: 11.5 * 1024 };
const options = { bundle: true, minify: true, format: "esm", target: "es2022", write: false };

for (const [name, bound] of Object.entries(BOUNDS)) {
  const entry = new URL(`../src/${name}.ts`, import.meta.url).pathname;
  const { outputFiles } = await build({ entryPoints: [entry], ...options });
  const code = outputFiles[0].contents;
  const size = gzipSync(code, { level: 9 }).length;
  console.log(`${name}: ${size} bytes gzip, ${code.length} minified; at most ${bound} gzip`);
  if (size > bound) process.exitCode = 1;
}
