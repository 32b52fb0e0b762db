import { failure } from "./errors.js";
import type { About } from "./events.js";
import { feed, type Feed } from "./feed.js";
import type { Listened } from "./listening.js";

/**
 * What happens on a channel: read it with `for await`. An item counts as consumed when the next one
 * is asked for; leaving the loop unsubscribes.
 */
export interface Subscription<T> extends Feed<T>, Listened {
  /** Fulfilled when the subscription stands; fails with a `CallError` when it is refused. */
  readonly ready: Promise<void>;
  /** Stops listening. */
  close(): void;
  /** What the session tells. False where the server sends more than the window. */
  take_(event: About): boolean;
  /** Nothing follows: the last item says why. */
  end_(code: string, reason?: string): void;
}

export function subscription<T>(
  consumed: (off: number | undefined) => void,
  left: () => void,
  window = 256,
): Subscription<T> {
  const it = feed<any>(consumed, left);
  const { entries_: entries, push_: push } = it;
  let stands = false;
  let snapshot: { payload: unknown } | undefined;
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const ready = new Promise<void>((...both) => ([resolve, reject] = both));
  // Who does not wait for it reads the same error in the loop.
  ready.catch(() => {});

  const end = (code: string, reason = code) => {
    push({ type: "$ended", code, reason });
    reject(failure(reason, { kind: "lost", outcome: "Unknown" }));
    it.finish_();
  };

  /** A snapshot stands for everything before it. */
  const startOver = (off: number | undefined) => {
    const before = snapshot;
    snapshot = undefined;
    if (before) push({ type: "$snapshot", payload: before.payload }, off);
    return before;
  };

  const take = (event: About) => {
    const { on, ch } = event;
    if (on === "snapshot") snapshot = event;
    if (on === "live") push({ type: "$live", off: event.off });
    if (on === "subscribed") {
      const { recovered, reason = "slow", off } = event.done;
      const hasMissed = stands ? !recovered : recovered === false;
      if (!startOver(off) && hasMissed) push({ type: "$gap", reason });
      stands = true;
      resolve();
    }
    if (on === "delivered") {
      const { type, payload, off } = event;
      if (off == null && entries.length >= window) {
        // The oldest events give way; in their place stands how many there were.
        const dropped = entries
          .splice(0, 2)
          .reduce((sum, [item]) => sum + (item?.dropped ?? 1), 0);
        entries.unshift([{ type: "$gap", reason: "slow", dropped }]);
      }
      push({ type: type.slice(type.indexOf(".") + 1), payload, off }, off);
    }
    if (on === "gap") {
      const { reason, until } = event.gap;
      // Nothing that this version has is missing.
      if (reason === "version") push(undefined, until);
      else if (!startOver(until)) {
        // A word that this client does not know counts as `slow`.
        const why = reason === "trimmed" ? reason : "slow";
        push({ type: "$gap", ...event.gap, reason: why }, until);
      }
    }
    if ("fault" in event) {
      const { fault } = event;
      if (stands) end(fault.code, fault.message);
      else {
        const error = failure(ch, { kind: "fault", outcome: "NotProcessed", payload: fault });
        reject(error);
        it.finish_(error);
      }
    }
    return entries.length <= 2 * window;
  };

  return Object.assign(it, { ready, close: () => void it.return(), take_: take, end_: end });
}
