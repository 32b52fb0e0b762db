import { Driver, type DriverOptions, type State } from "./driver.js";
import { CallError, Rejection, failure } from "./errors.js";
import { Call, type Event, type Reply } from "./events.js";
import { Feed } from "./feed.js";
import type * as p from "./protocol.js";
import type { Answer, Request } from "./serving.js";
import { uuid } from "./socket.js";
import { Subscription } from "./subscription.js";
import type { Done, Position } from "./wire.js";

const TIMEOUT_MS = 30_000;
const CREDIT = 32;
/** How often an upload looks for room. */
const ROOM_MS = 20;

/** How to connect; the first fields are the contract that `wsp gen typescript` writes. */
export interface Options<P extends p.Shape = p.AnyProtocol> extends DriverOptions {
  /** Serves what the server asks. */
  handlers?: p.Handlers<P>;
  /** How long a call may take, where the call does not say. 30 s. */
  timeoutMs?: number;
}

/** How one call is made. */
export interface CallOptions {
  /** Aborted, it cancels the call: `$cancel`. */
  signal?: AbortSignal;
  /** How long it may take in all, without a connection too. `Infinity`: as long as it takes. */
  timeoutMs?: number;
  /** The idempotency key. What is declared `idempotent` or `dedup` has one by itself. */
  key?: string;
}

/** How a stream is read. */
export interface StreamOptions extends CallOptions {
  /** Items that may be on their way. 32. */
  credit?: number;
}

/** The items of a request that streams, and its answer. */
export interface Stream<T, R> extends AsyncIterableIterator<T> {
  /** The answer after the last item. It fails with the same error as the loop. */
  readonly reply: Promise<R>;
}

/** What waits for the end of a call. */
interface Waiting {
  settle(reply: Reply): void;
  item?(payload: any): void;
  granted?(): void;
}

/**
 * A connection that comes back by itself, and the session that goes on over it
 * (docs/protocol.md).
 */
export class Client<P extends p.Shape = p.AnyProtocol> {
  #options: Options<P>;
  #driver: Driver;
  #calls = new Map<Call, Waiting>();
  #subscriptions = new Map<string, Subscription<any>>();
  #running = new Map<Request, AbortController>();
  #listeners = new Set<(state: State) => void>();
  /** Who waits for the next welcome. */
  #welcomes = new Set<() => void>();

  constructor(url: string, options: Options<P>) {
    this.#options = options;
    const on = (event: Event) => this.#on(event);
    const onState = (state: State) => this.#onState(state);
    this.#driver = new Driver(url, options, { ...options.handlers }, on, onState);
  }

  /** Where the connection stands. */
  get state(): State {
    return this.#driver.state;
  }

  /** Tells each new state; the function that is returned ends that. */
  onState(listener: (state: State) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Asks. What may be worked on twice is asked again when its session was lost, and what a server
   * that stops refused is asked again of the next one.
   *
   * @throws {CallError}
   */
  async call<K extends p.Requests<P>>(
    type: K,
    payload: p.PayloadOf<P, K>,
    options: CallOptions = {},
  ): Promise<p.ReplyOf<P, K>> {
    const { idempotent, dedup, since, removed } = this.#info(type);
    const mayRepeat = idempotent || dedup;
    const body = JSON.stringify(payload);
    const deadline = this.#deadline(options);
    const key = options.key ?? (mayRepeat ? uuid() : undefined);
    let mayHaveRun = false;
    for (;;) {
      const call = new Call(type, body, deadline, defined({ key, since, removed }));
      const reply = await this.#once(call, options.signal);
      if (reply.kind === "ok") return reply.payload;
      const isLost = reply.kind === "lost" && reply.outcome === "Unknown" && mayRepeat;
      const isDraining = reply.kind === "fault" && reply.fault.code === "draining";
      if (isLost) mayHaveRun = true;
      else if (isDraining && reply.outcome === "NotProcessed") await this.#nextWelcome(deadline);
      else {
        throw failure(type, mayHaveRun && "outcome" in reply ? doubt(reply) : reply);
      }
    }
  }

  /** Asks a request that streams: its items, one by one. Leaving the loop cancels it. */
  stream<K extends p.RequestsWith<P, "item">>(
    type: K,
    payload: p.PayloadOf<P, K>,
    options: StreamOptions = {},
  ): Stream<p.ItemOf<P, K>, p.ReplyOf<P, K>> {
    const { credit = CREDIT, signal } = options;
    const call = this.#make(type, payload, options);
    let used = 0;
    const consumed = () => {
      if (++used * 2 < credit) return;
      this.#session().credit(call, used);
      used = 0;
      this.#driver.pump();
    };
    const feed = new Feed<any>(consumed, () => this.#cancel(call));
    const item = (payload: any) => {
      // A server that ignores the credit would fill our memory.
      if (feed.length > credit) this.#session().close(4500, "items beyond their credit", "session");
      else feed.push(payload);
    };
    const answer = this.#once(call, signal, { item }, () => this.#session().credit(call, credit));
    const reply = answer.then((it) => {
      if (it.kind === "ok") return it.payload;
      throw failure(type, it);
    });
    reply.then(() => feed.finish(), (error) => feed.finish(error));
    return Object.assign(feed, { reply });
  }

  /** Asks a request that takes an upload: sends each part when the server reads. */
  async upload<K extends p.RequestsWith<P, "part">>(
    type: K,
    payload: p.PayloadOf<P, K>,
    parts: Iterable<p.PartOf<P, K>> | AsyncIterable<p.PartOf<P, K>>,
    options: CallOptions = {},
  ): Promise<p.ReplyOf<P, K>> {
    const call = this.#make(type, payload, options);
    let wake = () => {};
    let reply: Reply | undefined;
    const answer = this.#once(call, options.signal, { granted: () => wake() });
    const over = answer.then((it) => (reply = it));
    try {
      for await (const part of parts) {
        const body = JSON.stringify(part);
        while (!reply && !this.#session().part(call, body)) {
          const granted = new Promise<void>((resolve) => (wake = resolve));
          // Acknowledgements make room without a word.
          const look = setTimeout(() => wake(), ROOM_MS);
          await Promise.race([over, granted]);
          clearTimeout(look);
        }
        if (reply) break;
        this.#driver.pump();
      }
    } catch (error) {
      this.#cancel(call);
      throw error;
    }
    this.#session().endParts(call);
    this.#driver.pump();
    const it = await over;
    if (it.kind === "ok") return it.payload;
    throw failure(type, it);
  }

  /**
   * Listens to a channel until the loop is left. The subscription survives reconnects: what was
   * missed comes again, and what cannot come is said by a `$gap`.
   */
  subscribe<A extends p.AddressOf<P>>(
    ch: A,
    options: { since?: Position } = {},
  ): Subscription<p.Item<P, A>> {
    const leave = () => {
      if (this.#subscriptions.get(ch) !== it) return;
      this.#subscriptions.delete(ch);
      this.#session().unsubscribe(ch);
      this.#driver.pump();
    };
    const consumed = (off: number | undefined) => {
      if (off === undefined || this.#subscriptions.get(ch) !== it) return;
      this.#session().consumed(ch, off);
      this.#driver.pump();
    };
    const it = new Subscription<p.Item<P, A>>(ch, consumed, leave, this.#options.window);
    if (this.state.name === "closed") it.end("lost", "the client is closed");
    else if (this.#subscriptions.has(ch)) throw new Error(`there is a subscription to ${ch}`);
    else if (this.#session().subscribe(ch, options.since)) this.#subscriptions.set(ch, it);
    else it.end("overloaded", "too much waits to be sent");
    this.#driver.pump();
    return it;
  }

  /** Publishes an event; the position that it got, on a channel that has positions. */
  async publish<A extends p.AddressOf<P>, E extends keyof p.EventsOf<P, A> & string>(
    ch: A,
    event: E,
    payload: p.EventsOf<P, A>[E],
    options: CallOptions = {},
  ): Promise<Position | undefined> {
    const type = `${ch.split("/")[0]}.${event}`;
    const more = defined({ ch, key: options.key });
    const call = new Call(type, JSON.stringify(payload), this.#deadline(options), more);
    const reply = await this.#once(call, options.signal);
    if (reply.kind !== "published") throw failure(type, reply);
    const { epoch, off } = reply.done as Done;
    return epoch === undefined || off === undefined ? undefined : { epoch, off };
  }

  /** Connects at once, where the client waits to do so; begins anew where it stopped. */
  reconnect(): void {
    if (this.state.name === "closed") this.#driver.start();
    else this.#driver.hurry();
  }

  /** Ends the session. Calls without an answer fail, subscriptions end. */
  close(): void {
    this.#driver.close();
  }

  #session() {
    return this.#driver.session.at(this.#driver.now());
  }

  #info(type: string): p.RequestInfo {
    return this.#options.requests?.[type] ?? {};
  }

  #deadline({ timeoutMs = this.#options.timeoutMs ?? TIMEOUT_MS }: CallOptions): number {
    return this.#driver.now() + timeoutMs;
  }

  #make(type: string, payload: unknown, options: CallOptions): Call {
    const { since, removed } = this.#info(type);
    const more = defined({ key: options.key, since, removed });
    return new Call(type, JSON.stringify(payload), this.#deadline(options), more);
  }

  /** One attempt of a call, to its one reply. */
  #once(
    call: Call,
    signal?: AbortSignal,
    more: Omit<Waiting, "settle"> = {},
    placed = () => {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        const outcome = call.isSent ? "Unknown" : "NotSent";
        const cause = { cause: signal?.reason };
        const text = `${call.type}: cancelled`;
        reject(new CallError("cancelled", outcome, text, undefined, undefined, cause));
        this.#cancel(call);
      };
      const settle = (reply: Reply) => {
        signal?.removeEventListener("abort", abort);
        resolve(reply);
      };
      if (signal?.aborted) return abort();
      if (this.state.name === "closed") return settle({ kind: "lost", outcome: "NotSent" });
      if (!this.#session().call(call)) {
        const message = "too much waits to be sent";
        const fault = { code: "overloaded", message, retry: "safe" as const };
        return settle({ kind: "fault", fault, outcome: "NotSent" });
      }
      signal?.addEventListener("abort", abort, { once: true });
      this.#calls.set(call, { settle, ...more });
      placed();
      this.#driver.pump();
    });
  }

  #cancel(call: Call): void {
    const fault = { code: "cancelled", message: "no longer wanted", retry: "unknown" as const };
    const outcome = call.isSent ? "Unknown" : "NotSent";
    this.#calls.get(call)?.settle({ kind: "fault", fault, outcome });
    this.#calls.delete(call);
    this.#session().cancel(call);
    this.#driver.pump();
  }

  /** Until the server can be asked again, or there is no time left for it. */
  #nextWelcome(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#welcomes.delete(done);
        resolve();
      };
      const wait = Math.min(Math.max(0, deadline - this.#driver.now()), 2 ** 31 - 1);
      const timer = setTimeout(done, wait);
      this.#welcomes.add(done);
    });
  }

  #on(event: Event): void {
    switch (event.on) {
      case "welcome":
        for (const done of this.#welcomes) done();
        break;
      case "answered": {
        const waiting = this.#calls.get(event.call);
        this.#calls.delete(event.call);
        waiting?.settle(event.reply);
        break;
      }
      case "item":
        this.#calls.get(event.call)?.item?.(event.payload);
        break;
      case "granted":
        this.#calls.get(event.call)?.granted?.();
        break;
      case "request":
        void this.#serve(event.request);
        break;
      case "stop":
        this.#running.get(event.request)?.abort();
        break;
      case "rejected":
      case "auth_required":
      case "renewed":
      case "not_renewed":
      case "closed":
        break;
      default: {
        const it = this.#subscriptions.get(event.ch);
        if (event.on === "ended" || event.on === "not_subscribed") {
          this.#subscriptions.delete(event.ch);
        }
        if (it?.take(event) === false) {
          this.#session().close(4500, "more events than the announced window", "session");
        }
      }
    }
  }

  async #serve(request: Request): Promise<void> {
    const stop = new AbortController();
    const handlers: Record<string, any> = this.#options.handlers ?? {};
    const { session } = this.#driver;
    let answer: Answer;
    this.#running.set(request, stop);
    try {
      answer = { ok: await handlers[request.type].handle(request.payload, stop.signal) };
    } catch (error) {
      const fault = { code: "internal", message: "the handler failed", retry: "unknown" as const };
      answer = error instanceof Rejection ? { err: error.error } : { fault };
    }
    this.#running.delete(request);
    session.at(this.#driver.now()).answer(request, answer);
    this.#driver.pump();
  }

  #onState(state: State): void {
    if (state.name === "closed") this.#finish();
    for (const listener of this.#listeners) {
      try {
        listener(state);
      } catch (error) {
        // A listener's mistake is its own: it must not stop the connection.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** The client stopped: everything that waits has its outcome. */
  #finish(): void {
    const calls = [...this.#calls];
    const subscriptions = [...this.#subscriptions.values()];
    this.#calls.clear();
    this.#subscriptions.clear();
    for (const [call, { settle }] of calls) {
      settle({ kind: "lost", outcome: call.isSent ? "Unknown" : "NotSent" });
    }
    for (const it of subscriptions) it.end("lost", "the client stopped");
    for (const stop of this.#running.values()) stop.abort();
    for (const done of this.#welcomes) done();
  }
}

/** Opens a client. It connects by itself, again and again: look at `state`. */
export function connect<P extends p.Shape = p.AnyProtocol>(
  url: string,
  options: Options<P>,
): Client<P> {
  return new Client<P>(url, options);
}

/** An attempt before this one may have been worked on. */
function doubt<T extends Reply>(reply: T): T {
  return { ...reply, outcome: "Unknown" };
}

function defined<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as any;
}
