import type { CallOptions, Client } from "./client.js";
import { failure } from "./errors.js";
import type { Call, Reply } from "./events.js";
import type * as p from "./protocol.js";
import { HEAD, type Session } from "./session.js";
import { byteLength, type Body } from "./wire.js";

/** How often an upload looks for room: acknowledgements make some without a word. */
const ROOM_MS = 20;

/** Asks a request that takes an upload: sends each part when the server reads. */
export async function upload<P extends p.Shape, K extends p.RequestsWith<P, "part">>(
  client: Client<P>,
  type: K,
  payload: p.PayloadOf<P, K>,
  parts: Iterable<p.PartOf<P, K>> | AsyncIterable<p.PartOf<P, K>>,
  options: CallOptions = {},
): Promise<p.ReplyOf<P, K>> {
  const call = client.make(type, payload, options);
  const stop = new AbortController();
  const { signal } = options;
  const cancel = () => stop.abort(signal?.reason);
  let reply: Reply | undefined;
  let wake = () => {};
  const sending = new Sending(call, () => wake());
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel);
  const over = client.ask(call, stop.signal).then((it) => (reply = it));
  const end = () => signal?.removeEventListener("abort", cancel);
  over.then(end, end);
  try {
    for await (const part of parts) {
      client.check(`${type}.part`, part);
      const body = client.session.format.body(part);
      while (!reply && !sending.part(client.at(), body)) {
        const granted = new Promise<void>((resolve) => (wake = resolve));
        const look = setTimeout(() => wake(), ROOM_MS);
        await Promise.race([over, granted]);
        clearTimeout(look);
      }
      if (reply) break;
      client.pump();
    }
  } catch (error) {
    stop.abort(error);
    await over.catch(() => {});
    throw error;
  }
  sending.end(client.at());
  client.pump();
  const it = await over;
  if (it.kind === "ok") return it.payload;
  throw failure(type, it);
}

/** The parts of one upload, under the server's credit (docs/protocol.md, section 7). */
export class Sending {
  /** Parts that the server takes. */
  #credit = 0;
  #isEnded = false;

  constructor(
    readonly call: Call,
    granted: (n: number) => void,
  ) {
    call.hear = ({ type, payload }) => {
      if (type !== "$credit") return false;
      if (this.#isEnded) return true;
      this.#credit += payload.n;
      granted(payload.n);
      return true;
    };
  }

  /** The next part, as it travels; false without credit or room. */
  part(session: Session, body: Body): boolean {
    const { call } = this;
    if (!session.has(call)) return true;
    if (!this.#credit || !session.outbox.hasRoom()) return false;
    this.#credit--;
    const check = () => {
      if (call.isCancelled) return false;
      if (byteLength(body) + HEAD <= session.maxFrame) return true;
      // An upload with a hole is worth nothing.
      session.sendCancel(call);
      return session.fault(call, "too_large", "unknown", "larger than the server takes");
    };
    session.push(`${call.type}.part`, { re: call.id }, null, { call, check, body });
    return true;
  }

  /** No more parts follow. */
  end(session: Session): void {
    if (!session.has(this.call) || this.#isEnded) return;
    this.#isEnded = true;
    session.push("$end", { re: this.call.id }, null, { call: this.call });
  }
}
