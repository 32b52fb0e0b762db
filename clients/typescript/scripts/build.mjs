// Makes dist/ of src/: the compiler's modules, in which every name that ends in `_` is shortened.
// Such names are of this library alone; those of the API and of the wire do not end so.
import { build, transform } from "esbuild";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = `${root}dist/`;
const target = "es2022";
rmSync(dist, { recursive: true, force: true });
const compiler = `${root}node_modules/typescript/bin/tsc`;
execFileSync(process.execPath, [compiler, "-p", `${root}tsconfig.build.json`], { stdio: "inherit" });

// The pure session alone, for whoever drives it: its names stay what its types say.
await build({
  entryPoints: [`${dist}session.js`],
  outfile: `${dist}pure.js`,
  bundle: true,
  format: "esm",
  target,
});
let mangleCache = {};
for (const file of readdirSync(dist).sort()) {
  if (!file.endsWith(".js") || file === "pure.js") continue;
  const text = readFileSync(dist + file, "utf8");
  const options = { format: "esm", target, mangleProps: /_$/, mangleCache };
  const made = await transform(text, options);
  ({ mangleCache } = made);
  writeFileSync(dist + file, made.code);
}
