// How large the client is for whoever loads it: bundled, minified, gzip. Fails above the bound.
import { build } from "esbuild";
import { gzipSync } from "node:zlib";

const GOAL = 6 * 1024;
const BOUND = 11.5 * 1024;
const entry = new URL("../src/index.ts", import.meta.url).pathname;
const options = { bundle: true, minify: true, format: "esm", target: "es2022", write: false };
const { outputFiles } = await build({ entryPoints: [entry], ...options });
const code = outputFiles[0].contents;
const size = gzipSync(code, { level: 9 }).length;
console.log(`${size} bytes gzip, ${code.length} minified; bound ${BOUND}, goal ${GOAL} bytes gzip`);
if (size > BOUND) process.exitCode = 1;
