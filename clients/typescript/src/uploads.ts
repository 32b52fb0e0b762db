import type { CallOptions, Client } from "./client.js";
import { failure } from "./errors.js";
import type { Call, Failed, Reply } from "./events.js";
import type * as p from "./protocol.js";
import type { Session } from "./core.js";
import { HEAD } from "./bounds.js";
import { waits } from "./streams.js";
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
  const { inside } = client;
  const call = inside.make_(type, payload, options);
  const stop = new AbortController();
  const { signal } = options;
  const cancel = () => stop.abort(signal?.reason);
  let reply: Reply | undefined;
  let wake = () => {};
  const sending = new Sending(call, () => wake());
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel);
  const over = inside.ask_(call, stop.signal).then((it) => (reply = it));
  const end = () => signal?.removeEventListener("abort", cancel);
  over.then(end, end);
  try {
    for await (const part of parts) {
      inside.check_(`${type}.part`, part);
      const body = inside.at_().format_.body(part);
      while (!reply && !sending.part(inside.at_(), body)) {
        const granted = new Promise<void>((resolve) => (wake = resolve));
        const look = setTimeout(() => wake(), ROOM_MS);
        await Promise.race([over, granted]);
        clearTimeout(look);
      }
      if (reply) break;
      inside.pump_();
    }
  } catch (error) {
    stop.abort(error);
    await over.catch(() => {});
    throw error;
  }
  sending.end(inside.at_());
  inside.pump_();
  const it = await over;
  if (it.kind === "ok") return it.payload;
  throw failure(type, it as Failed, stop.signal);
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
    call.hear_ = ({ type, payload }) => {
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
    if (!waits(session, call)) return true;
    if (!this.#credit || !session.hasRoom_()) return false;
    this.#credit--;
    const check = () => {
      if (call.cancel_) return false;
      if (byteLength(body) + HEAD <= session.maxFrame_()) return true;
      // An upload with a hole is worth nothing.
      session.sendCancel_(call);
      return session.fault_(call, "too_large", "unknown");
    };
    const about = { re: call.id_ as string };
    session.push_(`${call.type}.part`, about, null, { call, check_: check, body });
    return true;
  }

  /** No more parts follow. */
  end(session: Session): void {
    if (!waits(session, this.call) || this.#isEnded) return;
    this.#isEnded = true;
    const { call } = this;
    // Behind parts that do not leave it would be the end of a shorter upload.
    const check = () => !call.cancel_;
    session.push_("$end", { re: call.id_ as string }, null, { call, check_: check });
  }
}
