import { CallError } from "./errors.js";
import type { Event } from "./events.js";
import { Feed } from "./feed.js";
import type { Fault } from "./wire.js";

type About = Extract<Event, { ch: string }>;

/**
 * What happens on a channel: read it with `for await`. An item counts as consumed when the next one
 * is asked for; leaving the loop unsubscribes.
 */
export class Subscription<T> extends Feed<T> {
  /** Fulfilled when the subscription stands; fails with a `CallError` when it is refused. */
  readonly ready: Promise<void>;
  #ch: string;
  #window: number;
  #resolve!: () => void;
  #reject!: (error: CallError) => void;
  #stands = false;
  #snapshot?: { payload: unknown } | undefined;

  constructor(
    ch: string,
    consumed: (off: number | undefined) => void,
    left: () => void,
    window = 256,
  ) {
    super(consumed, left);
    this.#ch = ch;
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
        const { recovered, reason = "slow" } = event.done;
        const hasMissed = this.#stands ? recovered !== true : recovered === false;
        if (!this.#startOver(event.done.off) && hasMissed) this.#give({ type: "$gap", reason });
        this.#stands = true;
        this.#resolve();
        return true;
      }
      case "snapshot":
        this.#snapshot = { payload: event.payload };
        return true;
      case "delivered":
        return this.#deliver(event);
      case "gap": {
        const { reason, after, until, dropped } = event.gap;
        // Nothing that this version has is missing.
        if (reason === "version") this.push(undefined, until);
        else if (!this.#startOver(until)) {
          // A word that this client does not know counts as `slow`.
          const why = reason === "trimmed" ? reason : "slow";
          this.#give({ type: "$gap", reason: why, after, until, dropped }, until);
        }
        return this.length <= 2 * this.#window;
      }
      case "live":
        this.#give({ type: "$live", off: event.off });
        return true;
      case "unsubscribed":
        return true;
      case "not_subscribed":
        if (!this.#stands) this.#refuse(event.fault);
        else this.end(event.fault.code, event.fault.message);
        return true;
      case "ended":
        this.end(event.fault.code, event.fault.message);
        return true;
    }
  }

  /** Nothing follows: the last item says why. */
  end(code: string, reason: string): void {
    this.#give({ type: "$ended", code, reason });
    this.#reject(new CallError("lost", "Unknown", `${this.#ch}: ${reason}`));
    this.finish();
  }

  #deliver({ type, payload, off }: Extract<About, { on: "delivered" }>): boolean {
    const name = type.slice(type.indexOf(".") + 1);
    if (off === undefined && this.length >= this.#window) {
      // The oldest events give way; in their place stands how many there were.
      let dropped = 1;
      this.replaceOldest((oldest: any) => {
        dropped += oldest?.type === "$gap" ? (oldest.dropped ?? 0) : 1;
        return { type: "$gap", reason: "slow", dropped } as T;
      });
      this.dropSecond();
    }
    this.#give({ type: name, payload, off }, off);
    return off === undefined || this.length <= 2 * this.#window;
  }

  /** A snapshot stands for everything before it. */
  #startOver(off: number | undefined): boolean {
    const snapshot = this.#snapshot;
    this.#snapshot = undefined;
    if (snapshot) this.#give({ type: "$snapshot", payload: snapshot.payload }, off);
    return !!snapshot;
  }

  #refuse(fault: Fault): void {
    const text = `${this.#ch}: ${fault.code}: ${fault.message}`;
    const error = new CallError("fault", "NotProcessed", text, undefined, fault);
    this.#reject(error);
    this.finish(error);
  }

  #give(item: object, off?: number): void {
    this.push(item as T, off);
  }
}
