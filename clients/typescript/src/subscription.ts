import { CallError } from "./errors.js";
import type { About } from "./events.js";
import { Feed } from "./feed.js";

/**
 * What happens on a channel: read it with `for await`. An item counts as consumed when the next one
 * is asked for; leaving the loop unsubscribes.
 */
export class Subscription<T> extends Feed<T> {
  /** Fulfilled when the subscription stands; fails with a `CallError` when it is refused. */
  readonly ready: Promise<void>;
  #window: number;
  #resolve!: () => void;
  #reject!: (error: CallError) => void;
  #stands = false;
  #snapshot: { payload: unknown } | undefined;

  constructor(consumed: (off: number | undefined) => void, left: () => void, window = 256) {
    super(consumed, left);
    this.#window = window;
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who does not wait for it reads the same error in the loop.
    this.ready.catch(() => {});
  }

  /** Stops listening. */
  close(): void {
    void this.return();
  }

  /** What the session tells. False where the server sends more than the window. */
  take(event: About): boolean {
    switch (event.on) {
      case "subscribed": {
        const { recovered, reason = "slow", off } = event.done;
        const hasMissed = this.#stands ? !recovered : recovered === false;
        if (!this.#startOver(off) && hasMissed) this.#give({ type: "$gap", reason });
        this.#stands = true;
        this.#resolve();
        break;
      }
      case "snapshot":
        this.#snapshot = event;
        break;
      case "delivered":
        this.#deliver(event);
        break;
      case "gap": {
        const { reason, after, until, dropped } = event.gap;
        // Nothing that this version has is missing.
        if (reason === "version") this.push(undefined, until);
        else if (!this.#startOver(until)) {
          // A word that this client does not know counts as `slow`.
          const why = reason === "trimmed" ? reason : "slow";
          this.#give({ type: "$gap", reason: why, after, until, dropped }, until);
        }
        break;
      }
      case "live":
        this.#give({ type: "$live", off: event.off });
        break;
      case "not_subscribed":
      case "ended": {
        const { fault } = event;
        if (this.#stands) return this.end(fault.code, fault.message);
        const text = `${event.ch}: ${fault.code}: ${fault.message}`;
        const error = new CallError("fault", "NotProcessed", text, undefined, fault);
        this.#reject(error);
        this.finish(error);
      }
    }
    return this.entries.length <= 2 * this.#window;
  }

  /** Nothing follows: the last item says why. */
  end(code: string, reason: string): true {
    this.#give({ type: "$ended", code, reason });
    this.#reject(new CallError("lost", "Unknown", reason));
    this.finish();
    return true;
  }

  #deliver({ type, payload, off }: Extract<About, { on: "delivered" }>): void {
    const { entries } = this;
    if (off === undefined && entries.length >= this.#window) {
      // The oldest events give way; in their place stands how many there were.
      const [first, second] = entries.splice(0, 2) as any[];
      const dropped = (first.item?.dropped ?? 1) + (second?.item?.dropped ?? 1);
      entries.unshift({ item: { type: "$gap", reason: "slow", dropped } as T });
    }
    this.#give({ type: type.slice(type.indexOf(".") + 1), payload, off }, off);
  }

  /** A snapshot stands for everything before it. */
  #startOver(off: number | undefined): boolean {
    const snapshot = this.#snapshot;
    this.#snapshot = undefined;
    if (snapshot) this.#give({ type: "$snapshot", payload: snapshot.payload }, off);
    return !!snapshot;
  }

  #give(item: object, off?: number): void {
    this.push(item as T, off);
  }
}
