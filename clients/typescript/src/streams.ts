import type { CallOptions, Client } from "./client.js";
import { failure } from "./errors.js";
import type { Call, Failed } from "./events.js";
import { feed as makeFeed } from "./feed.js";
import type * as p from "./protocol.js";
import type { Session } from "./core.js";

const CREDIT = 32;

/** How a stream is read. */
export interface StreamOptions extends CallOptions {
  /** Items that may be on their way. 32. */
  credit?: number;
}

/** The items of a request that streams, and its answer. */
export interface Stream<T, R> extends AsyncIterableIterator<T> {
  /** The answer after the last item. It fails with the same error as the loop. */
  readonly reply: Promise<R>;
}

/** Asks a request that streams: its items, one by one. Leaving the loop cancels it. */
export function stream<P extends p.Shape, K extends p.RequestsWith<P, "item">>(
  client: Client<P>,
  type: K,
  payload: p.PayloadOf<P, K>,
  options: StreamOptions = {},
): Stream<p.ItemOf<P, K>, p.ReplyOf<P, K>> {
  const { credit: most = CREDIT, signal } = options;
  const { inside } = client;
  const call = inside.make_(type, payload, options);
  const stop = new AbortController();
  let used = 0;
  const consumed = () => {
    if (++used * 2 < most) return;
    credit(inside.at_(), call, used);
    used = 0;
    inside.pump_();
  };
  const feed = makeFeed<any>(consumed, () => stop.abort("the loop was left"));
  call.hear_ = (it) => {
    if (it.type !== `${type}.item`) return false;
    // A server that ignores the credit would fill our memory.
    if (feed.entries_.length > most) {
      inside.at_().fail_(4500);
    } else feed.push_(it.payload);
    return true;
  };
  const cancel = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", cancel);
  if (signal?.aborted) cancel();
  const answer = inside.ask_(call, stop.signal, () => credit(inside.at_(), call, most));
  const reply = answer.then((it) => {
    if (it.kind === "ok") return it.payload;
    throw failure(type, it as Failed, stop.signal);
  });
  const end = (error?: unknown) => {
    signal?.removeEventListener("abort", cancel);
    feed.finish_(error);
  };
  reply.then(() => end(), end);
  return Object.assign(feed, { reply });
}

/** Whether the call waits for its answer. */
export function waits(session: Session, call: Call): boolean {
  return session.calls_.get(call.id_ as string) === call;
}

/** The application takes `n` more items; what waits to be sent becomes more. */
export function credit(session: Session, call: Call, n: number): void {
  if (!waits(session, call)) return;
  const queued = session.queue_().find((it) => it.call === call && it.n && !it.head.seq);
  if (!queued) session.push_("$credit", { re: call.id_ as string }, { n }, { call, n });
  else queued.body = session.format_.body({ n: (queued.n = (queued.n as number) + n) });
}
