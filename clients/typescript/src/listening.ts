import type { AboutChannel } from "./events.js";
import type { Core } from "./core.js";
import type { Done, Envelope, Fault, Gap, Position } from "./wire.js";

/** What is listened to, and where that stands. Whoever subscribes may keep more with it. */
export interface Listened {
  ch_?: string;
  /** Takes what is told of it; false where that is more than was announced. */
  take_?(event: any): boolean;
  /** The `$sub` without an answer, and the last one. */
  out_?: string | undefined;
  sub_?: string | undefined;
  isLive_?: boolean;
  /** The last event taken; absent where there are no positions. */
  at_?: Position | undefined;
  /** What was consumed: how far the server was told, and how far it is to be told. */
  told_?: number;
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
  const all = new Map<string, Listened>();
  /** When a bare `$ack` is due. */
  let due = Infinity;

  const say = (it: Listened, event: AboutChannel) =>
    port.tell_({ ...event, ch: it.ch_ as string, to_: it });

  const gap = (it: Listened, gap: Gap) => say(it, { on: "gap", gap });

  const owe = (it: Listened, off: number, wait: number) => {
    it.owed_ = Math.max(off, it.owed_ ?? 0);
    due = Math.min(due, port.now_() + wait);
  };

  /**
   * Goes on to a position, with a word on what lies between it and the one before; false where the
   * client has it already: if it was consumed, the word of that was lost.
   */
  const goTo = (it: Listened, off: number, prev: number) => {
    const at = it.at_ as Position;
    const after = at.off;
    if (off > after) {
      at.off = off;
      if (prev !== after) gap(it, { reason: "trimmed", after, until: prev });
      return true;
    }
    if (off <= (it.told_ as number)) owe(it, off, ACK_MS);
    return false;
  };

  /** Everything that is wanted is asked for. */
  const askAgain = () => {
    if (!port.isOpen_()) return;
    for (const [ch, it] of all) {
      if (it.isLive_ || it.out_) continue;
      it.snapshot_ = undefined;
      it.out_ = it.sub_ = port.push_("$sub", { ch }, it.at_ ? { since: it.at_ } : {});
    }
  };

  /** The server listens to nothing there any more. */
  const forget = (it: Listened, on: "not_subscribed" | "ended", fault: Fault) => {
    all.delete(it.ch_ as string);
    it.isLive_ = false;
    say(it, { on, fault });
  };

  return {
    consumedDue_: () => due,
    askAgain_: askAgain,
    listened_: all,

    /** False where there is a subscription already, or no room. */
    subscribe_(ch: string, since?: Position, it: Listened = {}): boolean {
      if (all.has(ch) || !port.hasRoom_()) return false;
      it.ch_ = ch;
      it.at_ = since && { ...since };
      all.set(ch, it);
      askAgain();
      return true;
    },

    /**
     * What is on its way is ignored from now on. The `$ok` is a barrier: the same channel may be
     * asked for again at once, and what follows the answer to that is new.
     */
    unsubscribe_(it: Listened): void {
      const { ch_: ch = "" } = it;
      if (all.get(ch) !== it) return;
      all.delete(ch);
      if (it.isLive_ || it.out_) port.push_("$unsub", { ch });
      it.isLive_ = false;
    },

    /** The application has everything up to `off`. */
    consumed_(it: Listened, off: number | undefined): void {
      const { at_: at, told_: told = 0 } = it;
      // A position above the last event belongs to an earlier history of the channel.
      if (!it.isLive_ || !at || !off || off > at.off || off <= told) return;
      owe(it, off, off - told >= ACK_EVENTS ? -Infinity : ACK_MS);
    },

    /** The channels of an `$ack`, as many as fit; the rest follows in the next one. */
    sayConsumed_(): Record<string, number> | undefined {
      let said: Record<string, number> | undefined;
      let size = RESERVE;
      due = Infinity;
      for (const [ch, it] of all) {
        if (!it.owed_) continue;
        size += ch.length + ENTRY;
        if (said && size > port.maxFrame_()) due = -Infinity;
        else {
          said = { ...said, [ch]: it.owed_ };
          it.told_ = Math.max(it.told_ as number, it.owed_);
          it.owed_ = 0;
        }
      }
      return said;
    },

    /** The session goes on. Of best-effort channels nobody knows what was missed meanwhile. */
    resumed_(): void {
      for (const it of all.values()) {
        if (it.isLive_ && !it.at_) gap(it, { reason: "slow" });
        it.hasMissed_ = !!it.out_;
      }
    },

    /** The session is lost: what is live is wanted again. */
    forgotten_(): void {
      due = Infinity;
      for (const it of all.values()) {
        it.owed_ = 0;
        it.isLive_ = it.hasMissed_ = false;
        it.out_ = undefined;
      }
    },

    /** A frame about a channel, or the answer to a `$sub`; the code to close with, or nothing. */
    hear_(frame: Envelope): number | void {
      const { ch = "", re, type, off, prev, payload } = frame;
      const isMessage = type[0] !== "$";
      const asked = [...all.values()].find((it) => re && it.out_ === re);
      const it = asked ?? all.get(ch);
      if (!it) return;
      const { at_: at } = it;
      if (isMessage && re) {
        // The state of a channel: the answer to its `$sub` follows, or the events after `off` do.
        if (off == null) return 4500;
        if (it.sub_ !== re || type !== `${ch.split("/")[0]}.snapshot`) return;
        if (asked) it.snapshot_ = frame;
        else if (at) {
          if (off > at.off) say(it, { on: "snapshot", payload });
          goTo(it, off, off);
        }
      } else if (asked) {
        if (type === "$err") forget(it, "not_subscribed", payload);
        if (type !== "$ok") return;
        it.out_ = undefined;
        const { epoch, off } = payload as Done;
        it.isLive_ = true;
        it.at_ = epoch && off != null ? { epoch, off } : undefined;
        it.told_ = off ?? 0;
        if (it.snapshot_) say(it, { on: "snapshot", payload: it.snapshot_.payload });
        say(it, { on: "subscribed", done: payload });
        if (it.hasMissed_ && !it.at_) gap(it, { reason: "slow" });
      } else if (!it.isLive_) return;
      else if (isMessage) {
        if (at) {
          if (off == null || prev == null) return 4500;
          if (!goTo(it, off, prev)) return;
        }
        say(it, { on: "delivered", type, payload, off: at && off });
      } else if (type === "$unsubbed") {
        forget(it, "ended", { ...payload, message: payload.reason });
      } else if (type === "$live") say(it, { on: "live", off: off as number });
      else if (type === "$gap") {
        const { after, until } = payload as Gap;
        if (at && until != null) {
          const { off } = at;
          // What lies between was in a gap whose word was lost with a connection.
          if (!goTo(it, until, Math.max(after ?? off, off))) return;
          if (after != null) payload.after = Math.max(after, off);
        }
        gap(it, payload);
      }
    },
  };
}
