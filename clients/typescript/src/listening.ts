import type { Core } from "./session.js";
import type { Done, Envelope, Fault, Gap, Position } from "./wire.js";

interface Subscription {
  stage_: "wanted" | "asking" | "live" | "leaving";
  /** The `$sub` or `$unsub` that is out. */
  out_?: string | undefined;
  /** The last `$sub`. */
  sub_?: string;
  /** Left, and to be asked for anew behind the barrier. */
  again_?: boolean;
  /** The last event taken; absent where there are no positions. */
  at_: Position | undefined;
  /** What was consumed: how far the server was told, and how far it is to be told. */
  told_: number;
  owed_?: number;
  /** What came before the answer to the `$sub`. */
  snapshot_?: Envelope | undefined;
  /** A connection was lost before the answer came. */
  hasMissed_?: boolean;
}

/** The subscriptions: where each stands, and what was consumed (docs/protocol.md, section 8). */
export type Listening = ReturnType<typeof listening>;

export function listening(port: Core) {
  /** A bare `$ack` of consumed events follows after this long, or after this many of a channel. */
  const ACK_MS = 250;
  const ACK_EVENTS = 16;
  /** Bytes of one channel's place in an `$ack`, and what an `$ack` leaves free. */
  const ENTRY = 24;
  const RESERVE = 768;
  const all = new Map<string, Subscription>();
  /** When a bare `$ack` is due. */
  let due = Infinity;

  const live = (ch: string) => {
    const it = all.get(ch);
    return it?.stage_ === "live" ? it : undefined;
  };

  const gap = (ch: string, gap: Gap) => port.tell_({ on: "gap", ch, gap });

  const owe = (it: Subscription, off: number, wait: number) => {
    it.owed_ = Math.max(off, it.owed_ ?? 0);
    due = Math.min(due, port.now_() + wait);
  };

  /**
   * Goes on to a position, with a word on what lies between it and the one before; false where the
   * client has it already: if it was consumed, the word of that was lost.
   */
  const goTo = (ch: string, it: Subscription, off: number, prev: number) => {
    const at = it.at_ as Position;
    const after = at.off;
    if (off <= after) {
      if (off <= it.told_) owe(it, off, ACK_MS);
      return false;
    }
    at.off = off;
    if (prev !== after) gap(ch, { reason: "trimmed", after, until: prev });
    return true;
  };

  const ask = (ch: string, it: Subscription) => {
    it.stage_ = "asking";
    it.snapshot_ = undefined;
    it.hasMissed_ = false;
    it.out_ = it.sub_ = port.push_("$sub", { ch }, it.at_ ? { since: it.at_ } : {});
  };

  /** Everything that is wanted is asked for. */
  const askAgain = () => {
    if (port.isOpen_()) all.forEach((it, ch) => it.stage_ === "wanted" && ask(ch, it));
  };

  const left = (ch: string, it: Subscription) => {
    port.tell_({ on: "unsubscribed", ch });
    if (!it.again_) all.delete(ch);
    it.again_ = false;
    it.stage_ = "wanted";
  };

  const onOk = (ch: string, it: Subscription, done: Done) => {
    const { epoch, off } = done;
    it.stage_ = "live";
    it.at_ = epoch !== undefined && off !== undefined ? { epoch, off } : undefined;
    it.told_ = off ?? 0;
    if (it.snapshot_) port.tell_({ on: "snapshot", ch, payload: it.snapshot_.payload });
    port.tell_({ on: "subscribed", ch, done });
    if (it.hasMissed_ && !it.at_) gap(ch, { reason: "slow" });
  };

  return {
    consumedDue_: () => due,
    askAgain_: askAgain,

    /** False where there is a subscription already, or no room. */
    subscribe_(ch: string, since?: Position): boolean {
      const it = all.get(ch);
      const at_ = since && { ...since };
      if (it) {
        if (it.stage_ !== "leaving" || it.again_) return false;
        it.again_ = true;
        it.at_ = at_;
      } else {
        if (!port.hasRoom_()) return false;
        all.set(ch, { stage_: "wanted", at_, told_: 0 });
        askAgain();
      }
      return true;
    },

    unsubscribe_(ch: string): boolean {
      const it = all.get(ch);
      if (!it) return false;
      if (it.stage_ === "leaving") it.again_ = false;
      else if (it.stage_ === "wanted") left(ch, it);
      else {
        it.stage_ = "leaving";
        it.out_ = port.push_("$unsub", { ch });
        it.owed_ = 0;
      }
      return true;
    },

    /** The application has everything up to `off`. */
    consumed_(ch: string, off: number | undefined): void {
      const it = live(ch);
      // A position above the last event belongs to an earlier history of the channel.
      if (!it?.at_ || !off || off > it.at_.off || off <= it.told_) return;
      owe(it, off, off - it.told_ >= ACK_EVENTS ? -Infinity : ACK_MS);
    },

    /** The channels of an `$ack`, as many as fit; the rest follows in the next one. */
    sayConsumed_(): Record<string, number> | undefined {
      let said: Record<string, number> | undefined;
      let size = RESERVE;
      due = Infinity;
      for (const [ch, it] of all) {
        const { owed_: owed } = it;
        if (!owed) continue;
        size += ch.length + ENTRY;
        if (said && size > port.maxFrame_()) due = -Infinity;
        else {
          said = { ...said, [ch]: owed };
          it.told_ = Math.max(it.told_, owed);
          it.owed_ = 0;
        }
      }
      return said;
    },

    /** The session goes on. Of best-effort channels nobody knows what was missed meanwhile. */
    resumed_(): void {
      for (const [ch, it] of all) {
        if (it.stage_ === "live" && !it.at_) gap(ch, { reason: "slow" });
        it.hasMissed_ = it.stage_ === "asking";
      }
    },

    /** The session is lost: what is live is wanted again, what was being left has ended. */
    lost_(): void {
      due = Infinity;
      for (const [ch, it] of all) {
        it.owed_ = 0;
        if (it.stage_ === "leaving") left(ch, it);
        else it.stage_ = "wanted";
      }
    },

    /** A frame that answers one of ours. */
    onAnswer_({ type, re, payload }: Envelope): void {
      for (const [ch, it] of all) {
        if (it.out_ !== re) continue;
        it.out_ = undefined;
        if (it.stage_ === "leaving") left(ch, it);
        else if (type === "$ok") onOk(ch, it, payload);
        else {
          all.delete(ch);
          port.tell_({ on: "not_subscribed", ch, fault: payload });
        }
      }
      askAgain();
    },

    onUnsubbed_(ch: string, fault: Fault): void {
      // While it is being left, the barrier is still to come.
      if (!/live|ask/.test(all.get(ch)?.stage_ as string)) return;
      all.delete(ch);
      port.tell_({ on: "ended", ch, fault });
    },

    /** An event; false when it lacks its position. */
    onEvent_({ ch = "", type, off, prev, payload }: Envelope): boolean {
      const it = live(ch);
      if (it?.at_) {
        if (off === undefined || prev === undefined) return false;
        if (!goTo(ch, it, off, prev)) return true;
      }
      if (it) port.tell_({ on: "delivered", ch, type, payload, off: it.at_ && off });
      return true;
    },

    onGap_(ch: string, it: Gap): void {
      const { after, until } = it;
      const listened = live(ch);
      if (!listened) return;
      if (listened.at_ && until !== undefined) {
        const { off } = listened.at_;
        // What lies between was in a gap whose word was lost with a connection.
        if (!goTo(ch, listened, until, Math.max(after ?? off, off))) return;
        if (after !== undefined && after <= off) it.after = off;
      }
      gap(ch, it);
    },

    onLive_(ch: string, off: number): void {
      if (live(ch)) port.tell_({ on: "live", ch, off });
    },

    /** The state of a channel: the answer to its `$sub` follows, or the events after `off` do. */
    onSnapshot_(frame: Envelope): boolean {
      const { ch = "", re, type, off, payload } = frame;
      if (off === undefined) return false;
      const it = all.get(ch);
      if (it?.sub_ !== re || type !== `${ch.split("/")[0]}.snapshot`) return true;
      if (it?.stage_ === "asking") it.snapshot_ = frame;
      else if (it?.stage_ === "live" && it.at_) {
        if (off > it.at_.off) port.tell_({ on: "snapshot", ch, payload });
        goTo(ch, it, off, off);
      }
      return true;
    },
  };
}
