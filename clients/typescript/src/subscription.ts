import { failure } from "./errors.js";
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
  /** Nothing follows: the last item says why. */
  end_(code: string, reason?: string): void;
}

export function subscription<T>(
  consumed: (off: number | undefined) => void,
  left: () => void,
  window = 256,
): Subscription<T> {
  const it = feed<any>(consumed, left) as Subscription<any>;
  const { entries_: entries, push_: push } = it;
  let stands = false;
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const ready = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Who does not wait for it reads the same error in the loop.
  ready.catch(() => {});

  const end = (code: string, reason = code) => {
    push({ type: "$ended", code, reason });
    reject(failure(reason, { kind: "lost", outcome: "Unknown" }));
    it.finish_();
  };

  const more: Omit<Subscription<T>, keyof Feed<T>> = {
    ready,
    close() {
      it.return();
    },
    end_: end,

    stands_({ recovered, reason = "slow", off }, snapshot) {
      const hasMissed = stands ? !recovered : recovered === false;
      // A snapshot stands for everything before it.
      if (snapshot) push(snapshot, off);
      else if (hasMissed) push({ type: "$gap", reason });
      stands = true;
      resolve();
    },

    tell_(item: any, off) {
      const { type, reason } = item;
      if (type === "$gap") {
        // Nothing that this version has is missing.
        if (reason === "version") item = undefined;
        // A word that this client does not know counts as `slow`.
        else if (reason !== "trimmed") item.reason = "slow";
      } else if (type[0] !== "$") {
        if (off == null && entries.length >= window) {
          // The oldest events give way; in their place stands how many there were.
          const item = { type: "$gap", reason: "slow", dropped: 0 };
          for (const [old] of entries.splice(0, 2, [item])) item.dropped += old?.dropped ?? 1;
        }
        item.type = type.replace(/^.*?\./, "");
      }
      push(item, off);
      if (entries.length > 2 * window) return 4500;
    },

    fail_(fault) {
      if (stands) return end(fault.code, fault.message);
      const failed = { kind: "fault", outcome: "NotProcessed", payload: fault } as const;
      const error = failure(it.ch_ as string, failed);
      reject(error);
      it.finish_(error);
    },
  };
  return Object.assign(it, more);
}
