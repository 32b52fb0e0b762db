import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";
import WebSocket from "ws";
import { chat, type Chat } from "../examples/chat/protocol.js";
import type * as all from "../src/index.js";
import { ChatServer, HASTE, Scissors } from "./chat.js";
import { Script } from "./script.js";

/** The core as a program gets it: published, bundled, without what it does not import. */
async function core(): Promise<Pick<typeof all, "Client" | "address">> {
  const resolveDir = new URL("../../dist", import.meta.url).pathname;
  const contents = 'export { Client, address } from "./index.js"';
  const { outputFiles } = await build({
    stdin: { contents, resolveDir },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  const code = outputFiles[0]?.text ?? "";
  assert.doesNotMatch(code, /\$auth"|\.part`|the handler failed|navigator/);
  return import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
}

test("the core alone calls, listens and resumes", { timeout: 60_000 }, async () => {
  const { Client, address } = await core();
  const server = await ChatServer.start();
  const scissors = await Scissors.start(server.port, 3);
  scissors.isCalm = true;
  const options = { ...chat, token: "core", WebSocket, backoff: HASTE };
  const client = new Client<Chat>(scissors.url, options);
  const { epoch, off } = await client.call("join", { room: "core" });
  const heard = client.subscribe(address("room", "core"), { since: { epoch, off } });
  const texts: string[] = [];
  let ready = 0;
  client.onState(({ name }) => (ready += Number(name === "ready")));
  for (let n = 0; n < 20; n++) {
    const posted = client.call("post", { room: "core", text: `${n}` });
    if (n % 5 === 4) scissors.cut();
    await posted;
  }
  for await (const item of heard) {
    assert.notEqual(item.type, "$gap");
    if (item.type === "said") texts.push(item.payload.text);
    if (texts.length === 20) break;
  }
  assert.deepEqual(texts, Array.from({ length: 20 }, (_, n) => `${n}`));
  assert.ok(ready >= 4);
  client.close();
  scissors.stop();
  await server.stop();
});

test("the core answers what is for a part that it lacks", { timeout: 10_000 }, async () => {
  const { Client } = await core();
  const script = await Script.start();
  const options = { protocol: "test", versions: [1, 1] as const, WebSocket, backoff: HASTE };
  const client = new Client(script.url, { ...options, token: () => "t" });
  const reply = client.call("history", {});
  const failed = assert.rejects(reply, { kind: "fault", outcome: "Processed" });
  const peer = await script.peer();
  await peer.welcome({}, { auth: { expires_in_ms: 20 } });
  const history = await peer.frame("history");
  peer.say("confirm", { text: "?" });
  const { payload } = await peer.frame("$err");
  assert.deepEqual([payload.code, payload.retry], ["unimplemented", "never"]);
  // Credit and a cancel of what is not under way mean nothing, credentials end with the connection.
  const { id } = history;
  peer.say("$credit", { n: 1 }, { re: id });
  peer.say("$cancel", null, { re: id });
  peer.send("$auth_required", { within_ms: 5 });
  peer.say("history.item", 1, { re: id });
  await failed;
  peer.send("$close", { code: 4200, reason: "expired" });
  const again = await script.peer();
  assert.equal((await again.frame("$hello")).payload.auth.token, "t");
  client.close();
  for (const socket of script.server.clients) socket.terminate();
  script.server.close();
});
