import assert from "node:assert/strict";
import { once } from "node:events";
import { after, afterEach, before, test } from "node:test";
import WebSocket from "ws";
import { chat, type Chat } from "../examples/chat/protocol.js";
import { CallError, address, type Options } from "../src/index.js";
import { share, type SharedClient } from "../src/share.js";
import { ChatServer, HASTE, guest } from "./chat.js";
import { Locks } from "./locks.js";
import { Script } from "./script.js";

const options = { ...chat, token: "tabs", WebSocket, backoff: HASTE };
const within = { timeout: 30_000 };
let server: ChatServer;
let names = 0;
const open: SharedClient<any>[] = [];

before(async () => {
  server = await ChatServer.start();
});
after(() => server.stop());
afterEach(() => {
  for (const tab of open.splice(0)) tab.close();
});

/** A tab; without `crash` it ends by `close`. */
class Tab<P extends { requests: object; channels: object } = Chat> {
  readonly client: SharedClient<P>;
  #locks: ReturnType<Locks["tab"]>;
  #channels: BroadcastChannel[] = [];

  constructor(locks: Locks, name: string, url = server.url, more: Partial<Options> = {}) {
    const channels = this.#channels;
    class Channel extends BroadcastChannel {
      constructor(name: string) {
        super(name);
        channels.push(this);
      }
    }
    this.#locks = locks.tab();
    const how = { name, locks: this.#locks, BroadcastChannel: Channel };
    this.client = share<P>(url, { ...options, ...more }, how);
    open.push(this.client);
  }

  /** The tab is gone without a word; its sockets are closed by the browser. */
  crash(sockets: Iterable<{ terminate(): void }> = []): void {
    for (const channel of this.#channels) channel.postMessage = () => {};
    for (const channel of this.#channels) channel.onmessage = null;
    for (const socket of sockets) socket.terminate();
    this.#locks.crash();
  }
}

function name(): string {
  return `test ${++names}`;
}

/** The texts that are said, until there are so many; everything else is named. */
async function read(items: AsyncIterable<any>, count: number): Promise<string[]> {
  const got: string[] = [];
  for await (const item of items) {
    if (item.type === "said") got.push(item.payload.text);
    else if (item.type !== "$live" && item.type !== "entered") got.push(item.type);
    if (got.length >= count) break;
  }
  return got;
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `${from + n}`);

test("tabs call and listen over one socket", within, async () => {
  const script = await Script.start();
  const locks = new Locks();
  const shared = name();
  const one = new Tab<any>(locks, shared, script.url);
  const two = new Tab<any>(locks, shared, script.url);
  const peer = await script.peer();
  await peer.welcome();
  const replies = [one, two].map(({ client }) => client.call("join", { room: "a" }));
  for (const _ of replies) {
    const { id, payload } = await peer.frame("join");
    peer.say("join.ok", { of: payload.room }, { re: id });
  }
  assert.deepEqual(await Promise.all(replies), [{ of: "a" }, { of: "a" }]);
  assert.equal(script.server.clients.size, 1);
  assert.deepEqual([one.client.isLeader, two.client.isLeader], [true, false]);
  for (const { client } of [two, one]) client.close();
  script.server.close();
});

test("each tab has its own position, and reads all from there", within, async () => {
  const locks = new Locks();
  const shared = name();
  const [one, two, three] = [0, 1, 2].map(() => new Tab(locks, shared).client) as any[];
  const bob = guest(server.url, "bob");
  const joined = await one.call("join", { room: shared });
  await bob.call("join", { room: shared });
  const since = { epoch: joined.epoch, off: joined.off };
  const ch = address("room", shared);
  const first = read(one.subscribe(ch, { since }), 60);
  for (const text of numbers(0, 20)) await bob.call("post", { room: shared, text });
  // It begins behind what the leader has: the log is read again, and nobody hears twice.
  const second = read(two.subscribe(ch, { since }), 60);
  const fresh = three.subscribe(ch);
  await fresh.ready;
  const third = read(fresh, 40);
  for (const text of numbers(20, 60)) await bob.call("post", { room: shared, text });
  assert.deepEqual(await first, numbers(0, 60));
  assert.deepEqual(await second, numbers(0, 60));
  assert.deepEqual(await third, numbers(20, 60));
  bob.close();
});

test("another tab takes over, and no event is lost or doubled", within, async () => {
  const locks = new Locks();
  const shared = name();
  const tabs = [0, 1, 2, 3].map(() => new Tab(locks, shared));
  const [, , , last] = tabs as [Tab, Tab, Tab, Tab];
  const bob = guest(server.url, "bob");
  const { epoch, off } = await last.client.call("join", { room: shared });
  await bob.call("join", { room: shared });
  const heard = last.client.subscribe(address("room", shared), { since: { epoch, off } });
  await heard.ready;
  const all = read(heard, 80);
  for (const [n, text] of numbers(0, 80).entries()) {
    await bob.call("post", { room: shared, text });
    if (n === 20) tabs[0]?.crash();
    if (n === 40) tabs[1]?.client.close();
    if (n === 60) tabs[2]?.crash();
  }
  assert.deepEqual(await all, numbers(0, 80));
  assert.ok(last.client.isLeader);
  assert.ok(await last.client.call("list_rooms", {}));
  bob.close();
});

test("when a leader goes, a call has its outcome or is asked again", within, async () => {
  const script = await Script.start();
  const locks = new Locks();
  const shared = name();
  const requests = { join: { idempotent: true } };
  const [one, two] = [0, 1].map(
    () => new Tab<any>(locks, shared, script.url, { requests }),
  ) as [Tab<any>, Tab<any>];
  const first = await script.peer();
  await first.welcome();
  const onlyOnce = two.client.call("post", {});
  const again = two.client.call("join", {});
  const { key } = await first.frame("join");
  one.crash(script.server.clients);
  const failed = await onlyOnce.catch((it) => it);
  assert.ok(failed instanceof CallError);
  assert.deepEqual([failed.kind, failed.outcome], ["lost", "Unknown"]);
  // The crashed tab still runs here, and connects again too.
  for (let joined = false; !joined; ) {
    const peer = await script.peer();
    await peer.welcome();
    peer.frame("join").then((it) => {
      if (it.key === key) peer.say("join.ok", 7, { re: it.id });
    });
    joined = two.client.isLeader;
  }
  assert.equal(await again, 7);
  two.client.close();
  one.client.close();
  script.server.close();
  for (const socket of script.server.clients) socket.terminate();
});

test("loss is told to the tab, and errors keep their class", within, async () => {
  let own = await ChatServer.start();
  const locks = new Locks();
  const shared = name();
  const [one, two] = [0, 1].map(() => new Tab(locks, shared, own.url).client) as any[];
  const error = await two.call("post", { room: "nowhere", text: "x" }).catch((it: unknown) => it);
  assert.ok(error instanceof CallError);
  assert.deepEqual([error.kind, error.outcome, error.error], ["err", "Processed", "not_a_member"]);
  const refused = two.subscribe("room/nowhere");
  await assert.rejects(refused.ready, { kind: "fault" });
  await assert.rejects(refused.next(), { kind: "fault" });
  const aborted = two.call("list_rooms", {}, { signal: AbortSignal.abort() });
  await assert.rejects(aborted, { kind: "cancelled", outcome: "NotSent" });
  const lobby = two.subscribe("lobby");
  await lobby.ready;
  const { port } = own;
  await own.stop();
  own = await ChatServer.start(port);
  assert.equal((await lobby.next()).value.type, "$gap");
  one.close();
  two.close();
  const rest = [];
  for await (const { type } of lobby) rest.push(type);
  assert.equal(rest.at(-1), "$ended");
  await own.stop();
});

test("a tab that does not read is told a gap, and holds nobody up", within, async () => {
  const script = await Script.start();
  const locks = new Locks();
  const shared = name();
  const one = new Tab<any>(locks, shared, script.url);
  const two = new Tab<any>(locks, shared, script.url);
  const peer = await script.peer();
  await peer.welcome({}, {});
  const quick = one.client.subscribe("room/x");
  const slow = two.client.subscribe("room/x");
  const sub = await peer.frame("$sub");
  peer.say("$ok", { epoch: "e", off: 0 }, { re: sub.id, ch: "room/x" });
  await Promise.all([quick.ready, slow.ready]);
  const all = read(quick, 1500);
  for (let off = 1; off <= 1500; off++) {
    const payload = { text: `${off}` };
    peer.send("room.said", payload, { ch: "room/x", off, prev: off - 1 });
  }
  assert.deepEqual(await all, numbers(1, 1501));
  const got: any[] = [];
  for await (const item of slow) {
    got.push(item);
    if (item.type === "$gap") break;
  }
  assert.equal(got.length, 1025);
  assert.deepEqual([got.at(-1).after, got.at(-1).until], [1024, 1500]);
  two.client.close();
  one.client.close();
  for (const socket of script.server.clients) socket.terminate();
  script.server.close();
});

test("without locks each tab has a socket of its own", within, async () => {
  const script = await Script.start();
  const tabs = [0, 1].map(() => share<any>(script.url, options, { locks: undefined }));
  for (const _ of tabs) await script.peer();
  assert.deepEqual(tabs.map((tab) => tab.isLeader), [true, true]);
  const gone = [...script.server.clients].map((socket) => once(socket, "close"));
  for (const tab of tabs) tab.close();
  await Promise.all(gone);
  script.server.close();
});
