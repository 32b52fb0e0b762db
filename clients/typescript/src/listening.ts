import type { Session } from "./session.js";
import type { Done, Envelope, Fault, Gap, Position } from "./wire.js";

/** A bare `$ack` of consumed events follows after this long, or after this many of a channel. */
const ACK_MS = 250;
const ACK_EVENTS = 16;
/** Bytes of one channel's place in an `$ack`, and what an `$ack` leaves free. */
const ENTRY = 24;
const RESERVE = 768;

interface Subscription {
  stage: "wanted" | "asking" | "live" | "leaving";
  /** The `$sub` or `$unsub` that is out. */
  out?: string | undefined;
  /** The last `$sub`. */
  sub?: string;
  /** Left, and to be asked for anew behind the barrier. */
  again?: boolean;
  /** The last event taken; absent where there are no positions. */
  at?: Position | undefined;
  told: number;
  /** What came before the answer to the `$sub`. */
  snapshot?: Envelope | undefined;
  /** A connection was lost before the answer came. */
  hasMissed?: boolean;
}

/** The subscriptions: where each stands, and what was consumed (docs/protocol.md, section 8). */
export class Listening {
  /** When a bare `$ack` is due. */
  due = Infinity;
  #port: Session;
  #all = new Map<string, Subscription>();
  #consumed = new Map<string, number>();

  constructor(port: Session) {
    this.#port = port;
  }

  /** False where there is a subscription already, or no room. */
  subscribe(ch: string, since?: Position): boolean {
    const it = this.#all.get(ch);
    const at = since && { ...since };
    if (it) {
      if (it.stage !== "leaving" || it.again) return false;
      it.again = true;
      it.at = at;
    } else {
      if (!this.#port.outbox.hasRoom()) return false;
      this.#all.set(ch, { stage: "wanted", at, told: 0 });
      if (this.#port.isOpen()) this.askAgain();
    }
    return true;
  }

  unsubscribe(ch: string): boolean {
    const it = this.#all.get(ch);
    if (!it) return false;
    if (it.stage === "leaving") it.again = false;
    else if (it.stage === "wanted") this.#left(ch, it);
    else {
      it.stage = "leaving";
      it.out = this.#port.push("$unsub", { ch });
      this.#consumed.delete(ch);
    }
    return true;
  }

  /** The application has everything up to `off`. */
  consumed(ch: string, off: number): void {
    const it = this.#live(ch);
    // A position above the last event belongs to an earlier history of the channel.
    if (!it?.at || off > it.at.off || off <= it.told) return;
    this.#owe(ch, off, off - it.told >= ACK_EVENTS ? -Infinity : ACK_MS);
  }

  /** The channels of an `$ack`, as many as fit; the rest follows in the next one. */
  tell(): Record<string, number> | undefined {
    let said: Record<string, number> | undefined;
    let size = RESERVE;
    this.due = Infinity;
    for (const [ch, off] of this.#consumed) {
      size += ch.length + ENTRY;
      if (said && size > this.#port.maxFrame) {
        this.due = -Infinity;
        break;
      }
      said = { ...said, [ch]: off };
      this.#consumed.delete(ch);
      const it = this.#all.get(ch);
      if (it) it.told = Math.max(it.told, off);
    }
    return said;
  }

  /** Everything that is wanted is asked for. */
  askAgain(): void {
    for (const [ch, it] of this.#all) if (it.stage === "wanted") this.#ask(ch, it);
  }

  /** The session goes on. Of best-effort channels nobody knows what was missed meanwhile. */
  resumed(): void {
    for (const [ch, it] of this.#all) {
      if (it.stage === "live" && !it.at) this.#gap(ch, { reason: "slow" });
      it.hasMissed = it.stage === "asking";
    }
  }

  /** The session is lost: what is live is wanted again, what was being left has ended. */
  lost(): void {
    this.#consumed.clear();
    this.due = Infinity;
    for (const [ch, it] of this.#all) {
      it.hasMissed = false;
      if (it.stage === "leaving") this.#left(ch, it);
      else it.stage = "wanted";
    }
  }

  /** A frame that answers one of ours. */
  onAnswer({ type, re, payload }: Envelope): void {
    for (const [ch, it] of this.#all) {
      if (it.out !== re) continue;
      it.out = undefined;
      if (it.stage === "leaving") this.#left(ch, it);
      else if (type === "$ok") this.#onOk(ch, it, payload);
      else {
        this.#forget(ch);
        this.#port.tell({ on: "not_subscribed", ch, fault: payload });
      }
    }
  }

  onUnsubbed(ch: string, fault: Fault): void {
    // While it is being left, the barrier is still to come.
    if (!/live|ask/.test(this.#all.get(ch)?.stage as string)) return;
    this.#forget(ch);
    this.#port.tell({ on: "ended", ch, fault });
  }

  /** An event; false when it lacks its position. */
  onEvent({ ch = "", type, off, prev, payload }: Envelope): boolean {
    const it = this.#live(ch);
    if (it?.at) {
      if (off === undefined || prev === undefined) return false;
      if (this.#isOld(ch, it, off)) return true;
      if (prev !== it.at.off) this.#lostBetween(ch, it.at.off, prev);
      it.at.off = off;
    }
    if (it) this.#port.tell({ on: "delivered", ch, type, payload, off: it.at && off });
    return true;
  }

  onGap(ch: string, gap: Gap): void {
    const it = this.#live(ch);
    const { after, until } = gap;
    if (!it) return;
    if (it.at && until !== undefined) {
      const { off } = it.at;
      if (this.#isOld(ch, it, until)) return;
      it.at.off = until;
      // What lies between was in a gap whose word was lost with a connection.
      if (after !== undefined && after > off) this.#lostBetween(ch, off, after);
      else if (after !== undefined) gap.after = off;
    }
    this.#gap(ch, gap);
  }

  onLive(ch: string, off: number): void {
    if (this.#live(ch)) this.#port.tell({ on: "live", ch, off });
  }

  /** The state of a channel: the answer to its `$sub` follows, or the events after `off` do. */
  onSnapshot(frame: Envelope): boolean {
    const { ch = "", re, type, off, payload } = frame;
    if (off === undefined) return false;
    const it = this.#all.get(ch);
    if (it?.sub !== re || type !== `${ch.split("/")[0]}.snapshot`) return true;
    if (it?.stage === "asking") it.snapshot = frame;
    else if (it?.stage === "live" && it.at && !this.#isOld(ch, it, off)) {
      this.#port.tell({ on: "snapshot", ch, payload });
      this.#lostBetween(ch, it.at.off, off);
      it.at.off = off;
    }
    return true;
  }

  #onOk(ch: string, it: Subscription, done: Done): void {
    const { epoch, off } = done;
    const { snapshot } = it;
    it.stage = "live";
    it.at = epoch !== undefined && off !== undefined ? { epoch, off } : undefined;
    it.told = off ?? 0;
    if (snapshot) this.#port.tell({ on: "snapshot", ch, payload: snapshot.payload });
    this.#port.tell({ on: "subscribed", ch, done });
    if (it.hasMissed && !it.at) this.#gap(ch, { reason: "slow" });
  }

  #ask(ch: string, it: Subscription): void {
    it.stage = "asking";
    it.snapshot = undefined;
    it.hasMissed = false;
    it.out = it.sub = this.#port.push("$sub", { ch }, it.at ? { since: it.at } : {});
  }

  #left(ch: string, it: Subscription): void {
    this.#port.tell({ on: "unsubscribed", ch });
    if (it.again) {
      it.again = false;
      it.stage = "wanted";
      if (this.#port.isOpen()) this.#ask(ch, it);
    } else this.#forget(ch);
  }

  #gap(ch: string, gap: Gap): void {
    this.#port.tell({ on: "gap", ch, gap });
  }

  #lostBetween(ch: string, after: number, until: number): void {
    this.#gap(ch, { reason: "trimmed", after, until });
  }

  /** A position that the client has: if it was consumed, the word of that was lost. */
  #isOld(ch: string, it: Subscription, off: number): boolean {
    if (off > (it.at as Position).off) return false;
    if (off <= it.told) this.#owe(ch, off, ACK_MS);
    return true;
  }

  #owe(ch: string, off: number, wait: number): void {
    this.#consumed.set(ch, Math.max(off, this.#consumed.get(ch) ?? 0));
    this.due = Math.min(this.due, this.#port.now + wait);
  }

  #live(ch: string): Subscription | undefined {
    const it = this.#all.get(ch);
    return it?.stage === "live" ? it : undefined;
  }

  #forget(ch: string): void {
    this.#all.delete(ch);
    this.#consumed.delete(ch);
  }
}
