// How large the client is for whoever loads it: what dist/ has, bundled, minified as webpack does
// (terser) or as esbuild and Vite do, and gzip -9. Fails above a bound.
import { build } from "esbuild";
import { gzipSync } from "node:zlib";
import { minify } from "terser";

/** What a program imports, and how many bytes it may cost. */
const PROGRAMS = {
  core: ['export { Client } from "./index.js"', 6000],
  everything: ['export * from "./index.js"', 8700],
};
/** Parts, each with the core: what they cost more. */
const PARTS = {
  streams: 'export { stream } from "./index.js"',
  uploads: 'export { upload } from "./index.js"',
  callbacks: 'export { callbacks } from "./index.js"',
  renewal: 'export { renewal } from "./index.js"',
  pressure: 'export { pressure } from "./index.js"',
  signs: 'export { signs } from "./index.js"',
  msgpack: 'export { msgpack } from "./msgpack.js"',
  share: 'export { share } from "./share.js"',
  validate: 'export { validation } from "./validate.js"',
};
const options = { bundle: true, format: "esm", target: "es2022", write: false };
const resolveDir = new URL("../dist", import.meta.url).pathname;

const gzip = (code) => gzipSync(code, { level: 9 }).length;

/** Bytes of a program: minified, those gzip, and gzip where esbuild minifies. */
async function measure(contents) {
  const bundle = async (minify) => {
    const { outputFiles } = await build({ stdin: { contents, resolveDir }, ...options, minify });
    return outputFiles[0].text;
  };
  const compress = { passes: 3, unsafe_arrows: true, pure_getters: true };
  const { code } = await minify(await bundle(false), { module: true, ecma: 2022, compress });
  return { minified: code.length, least: gzip(code), esbuild: gzip(await bundle(true)) };
}

const core = PROGRAMS.core[0];
for (const [name, [contents, bound]] of Object.entries(PROGRAMS)) {
  const { minified, least, esbuild } = await measure(contents);
  console.log(
    `${name}: ${least} bytes gzip, ${minified} minified; at most ${bound} gzip (by esbuild ${esbuild})`,
  );
  if (least > bound) process.exitCode = 1;
}
const alone = await measure(core);
for (const [name, contents] of Object.entries(PARTS)) {
  const { least } = await measure(`${core}\n${contents}`);
  console.log(`  ${name}: ${least - alone.least} bytes gzip more`);
}
