import type { Core } from "./core.js";
import type { Done, Envelope, Fault, Gap, Position } from "./wire.js";

/** What is listened to, and where that stands. Whoever subscribes keeps more with it. */
export interface Listened extends Listener {
  ch_?: string;
  /** The last `$sub`. */
  sub_?: string | undefined;
  /** Its answer came, and it is no refusal. */
  isLive_?: boolean;
  /** The last event taken; absent where there are no positions. */
  at_?: Position | undefined;
  /** What was consumed: how far the server was told, and how far it is to be told. */
  told_?: number | undefined;
  owed_?: number;
  /** What came before the answer to the `$sub`. */
  snapshot_?: Item | undefined;
  /** A connection was lost before the answer came. */
  hasMissed_?: boolean | undefined;
}

/** What an application reads, but for an event's `type`, which names its channel too. */
export type Item =
  | { type: "$snapshot"; payload: any }
  | { type: "$live"; off: number }
  | ({ type: "$gap" } & Gap)
  | { type: string; payload: any; off: number | undefined };

/** Whom a session tells of a channel. Like every listener, it asks the session for nothing then. */
export interface Listener {
  /** The subscription stands, perhaps once more; `snapshot` is what it starts from. */
  stands_(done: Done, snapshot?: Item): void;
  /** Something happened, at a position where there is one; a code to close with, or nothing. */
  tell_(item: Item, off?: number): number | void;
  /** It was refused, or ended. */
  fail_(fault: Fault): void;
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

  const gap = (it: Listened, gap: Gap) => it.tell_({ type: "$gap", ...gap }, gap.until);

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
    for (const [ch, it] of all) {
      if (!port.isOpen_() || it.sub_) continue;
      it.snapshot_ = undefined;
      it.sub_ = port.push_("$sub", { ch }, { since: it.at_ });
    }
  };

  /** The server sends nothing of that any more. */
  const forget = (it: Listened) => {
    it.isLive_ = false;
    return all.delete(it.ch_ as string);
  };

  return {
    consumedDue_: () => due,
    listened_: all,

    /** False where there is a subscription already, or no room. */
    subscribe_(it: Listened, ch: string, since?: Position): boolean {
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
      if (all.get(ch) === it && forget(it) && it.sub_) port.push_("$unsub", { ch });
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

    /**
     * There is a connection. In another session what is live is wanted again; where the session
     * goes on, nobody knows of best-effort channels what was missed meanwhile.
     */
    welcome_(isResumed: boolean): void {
      if (!isResumed) due = Infinity;
      for (const it of all.values()) {
        if (isResumed) {
          if (it.isLive_ && !it.at_) gap(it, { reason: "slow" });
          it.hasMissed_ = it.sub_ !== undefined && !it.isLive_;
        } else {
          it.owed_ = 0;
          it.isLive_ = it.hasMissed_ = false;
          it.sub_ = undefined;
        }
      }
      askAgain();
    },

    /** A frame about a channel, or the answer to a `$sub`; the code to close with, or nothing. */
    hear_({ ch = "", re, type, off, prev, payload }: Envelope): number | void {
      const it = all.get(ch) ?? [...all.values()].find((it) => re && it.sub_ === re);
      if (!it) return;
      const { at_: at, isLive_: isLive } = it;
      const isAsked = re && it.sub_ === re && !isLive;
      if (type[0] !== "$" && re) {
        // The state of a channel: the answer to its `$sub` follows, or the events after `off` do.
        if (off == null) return 4500;
        if (it.sub_ !== re || type !== `${ch.split("/")[0]}.snapshot`) return;
        const item: Item = { type: "$snapshot", payload };
        if (isAsked) it.snapshot_ = item;
        else if (at && goTo(it, off, at.off)) return it.tell_(item, off);
      } else if (isAsked) {
        if (type === "$err") {
          forget(it);
          it.fail_(payload);
        }
        if (type !== "$ok") return;
        const { epoch, off } = payload as Done;
        it.isLive_ = true;
        it.at_ = epoch && off != null ? { epoch, off } : undefined;
        it.told_ = off;
        it.stands_(payload, it.snapshot_);
        if (it.hasMissed_ && !it.at_) return gap(it, { reason: "slow" });
      } else if (!isLive) return;
      else if (type[0] !== "$") {
        if (at) {
          if (off == null || prev == null) return 4500;
          if (!goTo(it, off, prev)) return;
        }
        off = at && off;
        return it.tell_({ type, payload, off }, off);
      } else if (type === "$unsubbed") {
        forget(it);
        it.fail_({ ...payload, message: payload.reason });
      } else if (type === "$live") return it.tell_({ type, off: off as number }, off);
      else if (type === "$gap") {
        const { after, until } = payload as Gap;
        if (at && until != null) {
          const { off } = at;
          // What lies between was in a gap whose word was lost with a connection.
          if (!goTo(it, until, Math.max(after ?? off, off))) return;
          if (after != null) payload.after = Math.max(after, off);
        }
        return gap(it, payload);
      }
    },
  };
}
