/**
 * This client as a testee of the conformance runner: it obeys orders on its standard input and says
 * what happened on its standard output (docs/conformance.md).
 */
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { CallError, Rejection, connect, type Subscription } from "../src/index.js";
import { msgpack } from "../src/msgpack.js";

const say = (report: object) => process.stdout.write(`${JSON.stringify(report)}\n`);

const client = connect(process.env.WSP_URL as string, {
  protocol: "conformance",
  versions: [1, 3],
  requests: {
    leave: { removed: 3 },
    whisper: { since: 2 },
    echo: { idempotent: true },
    pay: { dedup: true },
  },
  handlers: {
    confirm: {
      handle: ({ text }: { text?: string }, signal: AbortSignal) => {
        if (text === "busy") throw new Rejection({ why: "busy" });
        if (text !== "wait") return { yes: true };
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve(null)));
      },
    },
    locate: { since: 2, handle: () => ({ text: "here" }) },
  },
  token: () => "ann",
  backoff: { baseMs: 50 },
  ...(process.env.WSP_FORMAT === "msgpack" && { format: msgpack }),
  WebSocket,
});

client.onState((state) => {
  if (state.name === "closed") say({ state: "closed", code: state.error?.code });
  else say({ state: state.name });
});

const calls = new Map<number, AbortController>();
const subscriptions = new Map<string, Subscription<any>>();

/** Says how a call ended. */
async function answer(n: number, call: Promise<unknown>, word = "ok"): Promise<void> {
  try {
    say({ n, [word]: (await call) ?? null });
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    const outcome = error.outcome.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
    if (error.kind === "err") say({ n, err: error.error });
    else if (error.kind === "fault") say({ n, fault: error.fault?.code, outcome });
    else say({ n, failed: error.kind, outcome });
  }
}

/** Says everything that a subscription gives, until it ends. */
async function listen(ch: string, subscription: Subscription<any>): Promise<void> {
  try {
    await subscription.ready;
  } catch (error) {
    return void say({ ch, refused: (error as CallError).fault?.code });
  }
  say({ ch, subscribed: true });
  for await (const item of subscription) {
    if (item.type === "$gap") say({ ch, gap: true });
    else if (item.type === "$live") say({ ch, live: true });
    else if (item.type === "$snapshot") say({ ch, snapshot: item.payload });
    else if (item.type === "$ended") say({ ch, ended: item.code });
    else say({ ch, event: item.type, payload: item.payload });
  }
}

async function items(n: number, stream: ReturnType<typeof client.stream>): Promise<void> {
  try {
    for await (const item of stream) say({ n, item });
  } catch {
    // The answer says the same.
  }
  await answer(n, stream.reply);
}

function obey({ do: what, n, type, payload, ch, event, ...order }: any): void {
  const stop = new AbortController();
  const { key, ttl_ms: timeoutMs = 30_000 } = order;
  const options = { signal: stop.signal, timeoutMs, ...(key && { key }) };
  if (n !== undefined && what !== "cancel") calls.set(n, stop);
  switch (what) {
    case "call":
      return void answer(n, client.call(type, payload, options));
    case "stream":
      return void items(n, client.stream(type, payload, options));
    case "upload":
      return void answer(n, client.upload(type, payload, order.parts, options));
    case "cancel":
      return calls.get(n)?.abort();
    case "subscribe": {
      const subscription = client.subscribe(ch, order.since ? { since: order.since } : {});
      subscriptions.set(ch, subscription);
      return void listen(ch, subscription);
    }
    case "unsubscribe":
      return void subscriptions.get(ch)?.return?.();
    case "publish":
      return void answer(n, client.publish(ch, event, payload, options), "published");
    case "close":
      return client.close();
    default:
      throw new Error(`no order: ${what}`);
  }
}

const orders = createInterface({ input: process.stdin });
orders.on("line", (line) => obey(JSON.parse(line)));
orders.on("close", () => process.exit(0));
