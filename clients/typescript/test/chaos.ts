// `npm run chaos [reconnects] [seed]`: the real chat behind a proxy that cuts, in both formats.
import { json } from "../src/wire.js";
import { msgpack } from "../src/msgpack.js";
import { ChatServer } from "./chat.js";
import { storm, type Storm } from "./storm.js";

const [reconnects = 1000, seed = 7] = process.argv.slice(2).map(Number);
const server = await ChatServer.start();
let last = 0;
const progress = ({ welcomes, posted }: Storm) => {
  if (!process.stderr.isTTY || Date.now() - last < 500) return;
  last = Date.now();
  process.stderr.write(`\r${welcomes} of ${reconnects} reconnects, ${posted} messages `);
};
try {
  for (const format of [json, msgpack]) {
    const { welcomes, cuts, posted } = await storm(server, reconnects, seed, { format }, progress);
    if (process.stderr.isTTY) process.stderr.write("\r");
    const what = `${welcomes} reconnects after ${cuts} cuts, ${posted} messages`;
    console.log(`${format.protocol}, seed ${seed}: ${what}: 0 lost, 0 doubled, 0 out of order`);
  }
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await server.stop();
}
