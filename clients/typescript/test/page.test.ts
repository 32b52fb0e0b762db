import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, connect, pressure, type FullClient } from "../src/index.js";
import { session } from "../src/session.js";
import { Script } from "./script.js";

const within = { timeout: 10_000 };
const contract = { protocol: "test", versions: [1, 1] as const };

/** A browser's page, as far as the client looks at it. */
class Page extends EventTarget {
  hidden = false;
  readonly window = new EventTarget();

  /** An event of the document passes the window first, as in a browser. */
  override dispatchEvent(event: Event): boolean {
    this.window.dispatchEvent(new Event(event.type));
    return super.dispatchEvent(event);
  }

  static async with(run: (page: Page) => Promise<void>): Promise<void> {
    const page = new Page();
    const all = globalThis as any;
    all.document = page;
    all.addEventListener = page.window.addEventListener.bind(page.window);
    try {
      await run(page);
    } finally {
      delete all.document;
      delete all.addEventListener;
    }
  }
}

/** A socket that a test opens, fills and loses. */
class FakeSocket {
  static made: FakeSocket[] = [];
  static wake = () => {};
  protocol = "wsp1.json";
  readyState = 0;
  bufferedAmount = 0;
  sent: any[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number; reason: string }) => void;

  constructor() {
    FakeSocket.made.push(this);
    FakeSocket.wake();
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  say(type: string, payload: unknown, more: object = {}): void {
    const id = "00000000-0000-7000-8000-000000000001";
    this.onmessage?.({ data: JSON.stringify({ type, id, ts: 0, ...more, payload }) });
  }

  welcome(): void {
    this.readyState = 1;
    this.onopen?.();
    this.say("$welcome", {
      version: 1,
      session: { id: "s", ticket: "t", ttl_ms: 1000, resumed: false },
      recv: 0,
      heartbeat: { interval_ms: 30_000, timeout_ms: 10_000 },
      limits: { max_frame: 65_536, window: 256, rate: { per_s: 200, burst: 400 } },
    });
  }

  static async next(): Promise<FakeSocket> {
    while (!FakeSocket.made.length) await new Promise<void>((go) => (FakeSocket.wake = go));
    return FakeSocket.made.shift() as FakeSocket;
  }
}

function fake(): FullClient {
  const backoff = { baseMs: 3_600_000, maxMs: 3_600_000 };
  return connect("ws://test/", { ...contract, WebSocket: FakeSocket, backoff });
}

const signs: [string, (page: Page) => EventTarget][] = [
  ["online", (page) => page.window],
  ["pageshow", (page) => page.window],
  ["resume", (page) => page],
  ["visibilitychange", (page) => page],
];
for (const [name, target] of signs) {
  test(`\`${name}\` ends a long wait, and asks a server that is there`, within, () =>
    Page.with(async (page) => {
      const client = fake();
      const first = await FakeSocket.next();
      first.onclose?.({ code: 1006, reason: "" });
      assert.equal(client.state.name, "waiting");
      page.hidden = name === "visibilitychange";
      if (page.hidden) {
        page.dispatchEvent(new Event(name));
        assert.equal(client.state.name, "waiting");
        page.hidden = false;
      }
      target(page).dispatchEvent(new Event(name));
      const second = await FakeSocket.next();
      second.welcome();
      assert.deepEqual(second.sent.map((it) => it.type), ["$hello"]);
      target(page).dispatchEvent(new Event(name));
      assert.deepEqual(second.sent.map((it) => it.type), ["$hello", "$ping"]);
      client.close();
      target(page).dispatchEvent(new Event(name));
      assert.equal(client.state.name, "closed");
    }));
}

test("`offline` asks whether the server is there, and does not try another", within, () =>
  Page.with(async (page) => {
    const client = fake();
    const socket = await FakeSocket.next();
    socket.welcome();
    page.window.dispatchEvent(new Event("offline"));
    assert.equal(socket.sent.at(-1).type, "$ping");
    socket.onclose?.({ code: 1006, reason: "" });
    page.window.dispatchEvent(new Event("offline"));
    assert.equal(client.state.name, "waiting");
    client.close();
  }));

test("after a sleep the server is asked at once", within, async (t) => {
  const client = fake();
  const socket = await FakeSocket.next();
  socket.welcome();
  const { now } = Date;
  t.mock.method(Date, "now", () => now() + 3_600_000);
  const { inside } = client;
  inside.at_().timeout_();
  inside.pump_();
  assert.equal(socket.sent.at(-1).type, "$ping");
  // It has 3 s, however long its heartbeat is.
  assert.ok(inside.at_().due_() - Date.now() <= 3000);
  client.close();
});

test("the clock counts a sleep, and never goes back", () => {
  const own = session({ ...contract, id: () => "", welcome_: () => {} });
  const now = (wall: number) => own.at_(wall).now_();
  assert.deepEqual([1000, 9000, 2000, 2500].map(now), [1000, 9000, 9000, 9500]);
});

test("nothing is written while the socket holds too much", within, async () => {
  const client = fake();
  const socket = await FakeSocket.next();
  socket.welcome();
  socket.bufferedAmount = 65_536;
  const calls = [client.call("a", {}), client.call("b", {})];
  for (const call of calls) call.catch(() => {});
  assert.equal(socket.sent.length, 1);
  socket.bufferedAmount = 65_535;
  client.inside.pump_();
  assert.deepEqual(socket.sent.slice(1).map((it) => it.type), ["a", "b"]);
  client.close();
});

test("the last word to a socket that closes is not the first one to the next", within, async () => {
  const client = fake();
  const socket = await FakeSocket.next();
  socket.welcome();
  socket.readyState = 2;
  // A place is skipped: 4006, but nothing can be written any more.
  socket.say("join", {}, { seq: 9 });
  socket.onclose?.({ code: 1006, reason: "" });
  assert.match(client.state.name === "waiting" ? client.state.reason : "", /^4006/);
  client.reconnect();
  const next = await FakeSocket.next();
  next.welcome();
  assert.deepEqual(next.sent.map((it) => it.type), ["$hello"]);
  client.close();
});

for (const [what, parts, last] of [
  ["a socket that takes nothing for 10 s is left", [pressure], "$close"],
  ["without the part for it nothing is written, and nothing is left", [], "$hello"],
] as const) {
  test(what, within, async (t) => {
    const options = { ...contract, WebSocket: FakeSocket, backoff: { baseMs: 3_600_000 } };
    const client = new Client("ws://test/", { ...options, with: [...parts] });
    const socket = await FakeSocket.next();
    socket.welcome();
    socket.bufferedAmount = 65_536;
    const { now } = Date;
    const pass = (ms: number) => {
      const later = now() + ms;
      t.mock.method(Date, "now", () => later);
      client.inside.at_().timeout_();
      client.inside.pump_();
    };
    for (let ms = 0; ms < 9500; ms += 500) pass(ms);
    // It took some, if little.
    socket.bufferedAmount = 65_537;
    for (let ms = 9500; ms < 19_000; ms += 500) pass(ms);
    assert.equal(socket.sent.at(-1).type, "$hello");
    for (let ms = 19_000; ms < 20_000; ms += 500) pass(ms);
    assert.equal(socket.sent.at(-1).type, last);
    assert.equal(client.state.name, parts.length ? "waiting" : "ready");
    client.close();
  });
}

test("an aborted subscription ends its loop at once", within, async () => {
  const script = await Script.start();
  const client = script.client();
  const peer = await script.peer();
  await peer.welcome();
  const stop = new AbortController();
  const it = client.subscribe("room/x", { signal: stop.signal });
  const sub = await peer.frame("$sub");
  peer.say("$ok", { epoch: "e", off: 0 }, { re: sub.id, ch: "room/x" });
  await it.ready;
  const waiting = it.next();
  stop.abort();
  assert.equal((await waiting).done, true);
  assert.equal((await peer.frame("$unsub")).ch, "room/x");
  const late = client.subscribe("room/y", { signal: AbortSignal.abort() });
  assert.equal((await late.next()).done, true);
  script.stop(client);
});
