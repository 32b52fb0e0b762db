import type { Port } from "./events.js";
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
  out?: string;
  /** The last `$sub`. */
  sub?: string;
  /** Left, and to be asked for anew behind the barrier. */
  again?: boolean;
  /** The last event taken; absent where there are no positions. */
  at?: Position;
  told: number;
  /** What came before the answer to the `$sub`. */
  snapshot?: { payload: unknown };
  /** A connection was lost before the answer came. */
  hasMissed?: boolean;
}

/** The subscriptions: where each stands, and what was consumed (docs/protocol.md, section 8). */
export class Listening {
  /** When a bare `$ack` is due. */
  due = Infinity;
  #port: Port;
  #all = new Map<string, Subscription>();
  #consumed = new Map<string, number>();

  constructor(port: Port) {
    this.#port = port;
  }

  /** False where there is a subscription already, or no room. */
  subscribe(ch: string, since?: Position): boolean {
    const it = this.#all.get(ch);
    if (it) {
      if (it.stage !== "leaving" || it.again) return false;
      it.again = true;
      it.at = since;
      return true;
    }
    if (!this.#port.hasRoom()) return false;
    this.#all.set(ch, { stage: "wanted", at: since && { ...since }, told: 0 });
    if (this.#port.isOpen()) this.#ask(ch);
    return true;
  }

  unsubscribe(ch: string): boolean {
    const it = this.#all.get(ch);
    if (it?.stage === "leaving") {
      it.again = false;
    } else if (it?.stage === "wanted") {
      this.#forget(ch);
      this.#port.tell({ on: "unsubscribed", ch });
    } else if (it) {
      it.stage = "leaving";
      it.out = this.#port.push("$unsub", { ch }, null);
      this.#consumed.delete(ch);
    }
    return !!it;
  }

  /** The application has everything up to `off`. */
  consumed(ch: string, off: number): void {
    const it = this.#all.get(ch);
    // A position above the last event belongs to an earlier history of the channel.
    if (it?.stage !== "live" || !it.at || off > it.at.off || off <= it.told) return;
    const isMany = off - it.told >= ACK_EVENTS;
    this.#owe(ch, off, isMany ? -Infinity : this.#port.now + ACK_MS);
  }

  /** The channels of an `$ack`, as many as fit; the rest follows in the next one. */
  tell(maxFrame: number): Record<string, number> | undefined {
    const said: Record<string, number> = {};
    let size = RESERVE;
    for (const [ch, off] of this.#consumed) {
      size += ch.length + ENTRY;
      if (size > maxFrame && Object.keys(said).length) break;
      said[ch] = off;
      this.#consumed.delete(ch);
      const it = this.#all.get(ch);
      if (it) it.told = Math.max(it.told, off);
    }
    this.due = this.#consumed.size ? -Infinity : Infinity;
    return Object.keys(said).length ? said : undefined;
  }

  /** A fresh connection: everything that is wanted is asked for. */
  askAgain(): void {
    for (const [ch, it] of this.#all) if (it.stage === "wanted") this.#ask(ch);
  }

  /** The session goes on. Of best-effort channels nobody knows what was missed meanwhile. */
  resumed(): void {
    for (const [ch, it] of this.#all) {
      if (it.stage === "live" && !it.at) this.#gap(ch, { reason: "slow" });
      else if (it.stage === "asking") it.hasMissed = true;
    }
  }

  /** The session is lost: what is live is wanted again, what was being left has ended. */
  lost(): void {
    this.#consumed.clear();
    this.due = Infinity;
    for (const [ch, it] of this.#all) {
      it.hasMissed = false;
      if (it.stage === "leaving") {
        if (!it.again) this.#all.delete(ch);
        this.#port.tell({ on: "unsubscribed", ch });
      }
      it.stage = "wanted";
      it.again = false;
    }
  }

  onOk(re: string, done: Done): void {
    const [ch, it] = this.#out(re);
    if (it?.stage !== "asking") return this.#left(ch, it);
    it.stage = "live";
    const { epoch, off } = done;
    it.at = epoch !== undefined && off !== undefined ? { epoch, off } : undefined;
    it.told = off ?? 0;
    const hasMissed = it.hasMissed && off === undefined;
    it.hasMissed = false;
    if (it.snapshot) this.#port.tell({ on: "snapshot", ch, payload: it.snapshot.payload });
    it.snapshot = undefined;
    this.#port.tell({ on: "subscribed", ch, done });
    if (hasMissed) this.#gap(ch, { reason: "slow" });
  }

  onErr(re: string, fault: Fault): void {
    const [ch, it] = this.#out(re);
    if (it?.stage !== "asking") return this.#left(ch, it);
    this.#forget(ch);
    this.#port.tell({ on: "not_subscribed", ch, fault });
  }

  onUnsubbed(ch: string, fault: Fault): void {
    const stage = this.#all.get(ch)?.stage;
    // While it is being left, the barrier is still to come.
    if (stage !== "live" && stage !== "asking") return;
    this.#forget(ch);
    this.#port.tell({ on: "ended", ch, fault });
  }

  /** An event; false when it lacks its position. */
  onEvent({ ch = "", type, off, prev, payload }: Envelope): boolean {
    const it = this.#live(ch);
    if (!it) return true;
    if (it.at) {
      if (off === undefined || prev === undefined) return false;
      if (this.#isOld(ch, it, off)) return true;
      if (prev !== it.at.off) this.#lostBetween(ch, it.at.off, prev);
      it.at.off = off;
    }
    this.#port.tell({ on: "delivered", ch, type, payload, off: it.at && off });
    return true;
  }

  onGap(ch: string, gap: Gap): void {
    const it = this.#live(ch);
    if (!it) return;
    if (it.at && gap.until !== undefined) {
      const { off } = it.at;
      if (this.#isOld(ch, it, gap.until)) return;
      it.at.off = gap.until;
      if (gap.after !== undefined) {
        // What lies between was in a gap whose word was lost with a connection.
        if (gap.after > off) this.#lostBetween(ch, off, gap.after);
        else gap = { ...gap, after: off };
      }
    }
    this.#gap(ch, gap);
  }

  onLive(ch: string, off: number): void {
    if (this.#live(ch)) this.#port.tell({ on: "live", ch, off });
  }

  /** The state of a channel: the answer to its `$sub` follows, or the events after `off` do. */
  onSnapshot({ ch = "", re, type, off, payload }: Envelope): boolean {
    if (off === undefined) return false;
    const it = this.#all.get(ch);
    if (!it || it.sub !== re || type !== `${ch.split("/")[0]}.snapshot`) return true;
    if (it.stage === "asking") {
      it.snapshot = { payload };
    } else if (it.stage === "live" && it.at && !this.#isOld(ch, it, off)) {
      this.#port.tell({ on: "snapshot", ch, payload });
      this.#lostBetween(ch, it.at.off, off);
      it.at.off = off;
    }
    return true;
  }

  #ask(ch: string): void {
    const it = this.#all.get(ch) as Subscription;
    it.stage = "asking";
    it.snapshot = undefined;
    // What is queued must not change with the position.
    it.out = it.sub = this.#port.push("$sub", { ch }, it.at ? { since: it.at } : {});
  }

  #left(ch: string, it?: Subscription): void {
    if (!it) return;
    this.#port.tell({ on: "unsubscribed", ch });
    if (it.again) {
      it.again = false;
      this.#ask(ch);
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
    if (off <= it.told) this.#owe(ch, off, this.#port.now + ACK_MS);
    return true;
  }

  #owe(ch: string, off: number, due: number): void {
    this.#consumed.set(ch, Math.max(off, this.#consumed.get(ch) ?? 0));
    this.due = Math.min(this.due, due);
  }

  #live(ch: string): Subscription | undefined {
    const it = this.#all.get(ch);
    return it?.stage === "live" ? it : undefined;
  }

  #out(re: string): [string, Subscription?] {
    for (const entry of this.#all) {
      const { stage, out } = entry[1];
      if (out === re && (stage === "asking" || stage === "leaving")) return entry;
    }
    return [""];
  }

  #forget(ch: string): void {
    this.#all.delete(ch);
    this.#consumed.delete(ch);
  }
}
