import { CallError, ConnectionError, failure } from "./errors.js";
import { Call, type Closed, type Event, type Part, type Reply } from "./events.js";
import type * as p from "./protocol.js";
import { Session } from "./session.js";
import { BACKOFF, clock, delay, timer, uuid } from "./socket.js";
import type { Backoff, Socket, SocketClass } from "./socket.js";
import { Subscription } from "./subscription.js";
import { advice, json, type Format, type Position } from "./wire.js";

const TIMEOUT_MS = 30_000;
/** Bytes that the socket may hold before the session waits. */
const HIGH = 65_536;
/** How often to look whether the socket took some of them, and for how long to wait for that. */
const LOOK_MS = 50;
const STUCK_MS = 10_000;
const ATTEMPT_MS = 10_000;

/** Where the connection stands. */
export type State =
  | { name: "connecting"; attempt: number }
  | { name: "ready"; version: number }
  /** The next attempt follows by itself. */
  | { name: "waiting"; delayMs: number; reason: string }
  /** The client will not connect by itself any more; without an error it was closed. */
  | { name: "closed"; error?: ConnectionError };

/** How to connect; the first fields are the contract that `wsp gen typescript` writes. */
export interface Options extends p.Contract {
  /** The credentials. A function is asked before every attempt, and before they expire. */
  token?: string | (() => string | Promise<string>);
  /** What the client is, for the server's logs. */
  client?: { name: string; version: string };
  /** The class to use where there is no global one, as in Node 20. */
  WebSocket?: unknown;
  backoff?: Partial<Backoff>;
  /** Bytes of the largest answer that this client takes. */
  maxFrame?: number;
  /** Unacknowledged events of one subscription. */
  window?: number;
  /** How long a call may take, where the call does not say. 30 s. */
  timeoutMs?: number;
  /** How messages are written; JSON, where there is none. */
  format?: Format;
  /** Parts that this client takes along: `callbacks(..)`, `renewal`. */
  with?: Part[];
}

/** How one call is made. */
export interface CallOptions {
  /** Aborted, it cancels the call: `$cancel`. */
  signal?: AbortSignal | undefined;
  /** How long it may take in all, without a connection too. `Infinity`: as long as it takes. */
  timeoutMs?: number | undefined;
  /** The idempotency key. What is declared `idempotent` or `dedup` has one by itself. */
  key?: string | undefined;
}

/** How a channel is listened to. */
export interface SubscribeOptions {
  /** Go on after this position; without it, with the next event. */
  since?: Position | undefined;
  /** Aborted, it ends the loop and unsubscribes. */
  signal?: AbortSignal | undefined;
}

/**
 * A connection that comes back by itself, and the session that goes on over it
 * (docs/protocol.md).
 */
export class Client<P extends p.Shape = p.AnyProtocol> {
  /** Where the connection stands. */
  state: State = { name: "closed" };
  /** For the parts of this library: the session, and its clock. */
  session!: Session;
  /** Counts the attempts to connect. */
  attempt = 0;
  readonly now = clock();
  readonly options: Options;
  #url: string;
  #backoff: Backoff;
  #subscriptions = new Map<string, Subscription<any>>();
  #listeners = new Set<(state: State) => void>();
  #socket: Socket | undefined;
  /** The attempt or the delay that is under way. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pulse: ReturnType<typeof setTimeout> | undefined;
  #failed = 0;
  #welcomed = 0;
  #largest = 0;
  #reject: any;
  #isPumping = false;
  #buffered = 0;
  #stuckSince = 0;
  #signs = new AbortController();

  constructor(url: string, options: Options) {
    this.#url = url;
    this.options = options;
    this.#backoff = { ...BACKOFF, ...options.backoff };
    this.#start();
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
    const { idempotent, dedup } = this.options.requests?.[type] ?? {};
    const mayRepeat = idempotent || dedup;
    const first = this.make(type, payload, mayRepeat ? { key: uuid(), ...options } : options);
    let mayHaveRun = false;
    for (;;) {
      const call = new Call(type, first.body, first.deadline, first.more);
      const reply = await this.ask(call, options.signal);
      const { kind, outcome } = reply;
      if (kind === "ok") return reply.payload;
      if (kind === "lost" && outcome === "Unknown" && mayRepeat) mayHaveRun = true;
      else if (outcome === "NotProcessed" && reply.payload.code === "draining") {
        await this.#nextWelcome(first.deadline);
      } else {
        // An attempt before this one may have been worked on.
        const isOpen = mayHaveRun && outcome !== "Processed";
        throw failure(type, isOpen ? { ...reply, outcome: "Unknown" } : reply);
      }
    }
  }

  /**
   * Listens to a channel until the loop is left. The subscription survives reconnects: what was
   * missed comes again, and what cannot come is said by a `$gap`.
   */
  subscribe<A extends p.AddressOf<P>>(
    ch: A,
    { since, signal }: SubscribeOptions = {},
  ): Subscription<p.Item<P, A>> {
    const isMine = () => this.#subscriptions.get(ch) === it;
    const leave = () => {
      if (!isMine()) return;
      this.#subscriptions.delete(ch);
      this.at().unsubscribe(ch);
      this.pump();
    };
    const consumed = (off: number | undefined) => {
      if (off === undefined || !isMine()) return;
      this.at().consumed(ch, off);
      this.pump();
    };
    const it = new Subscription<p.Item<P, A>>(consumed, leave, this.options.window);
    signal?.addEventListener("abort", () => it.close(), { once: true });
    if (this.state.name === "closed") it.end("lost", "the client is closed");
    else if (this.#subscriptions.has(ch)) throw new Error(`there is a subscription to ${ch}`);
    else if (this.at().subscribe(ch, since)) this.#subscriptions.set(ch, it);
    else it.end("overloaded", "too much waits to be sent");
    if (signal?.aborted) it.close();
    this.pump();
    return it;
  }

  /** Publishes an event; the position that it got, on a channel that has positions. */
  async publish<A extends p.AddressOf<P>, E extends keyof p.EventsOf<P, A> & string>(
    ch: A,
    event: E,
    payload: p.EventsOf<P, A>[E],
    options: CallOptions = {},
  ): Promise<Position | undefined> {
    const call = this.make(`${ch.split("/")[0]}.${event}`, payload, options, ch);
    const reply = await this.ask(call, options.signal);
    if (reply.kind !== "published") throw failure(call.type, reply);
    const { epoch, off } = reply.payload;
    return epoch && { epoch, off };
  }

  /** Connects at once, where the client waits to do so; begins anew where it stopped. */
  reconnect(): void {
    if (this.state.name === "closed") this.#start();
    else {
      if (this.state.name === "waiting") void this.#connect();
      this.#probe();
    }
  }

  /** Ends the session. Calls without an answer fail, subscriptions end. */
  close(): void {
    this.at().close(1000, "the client is done");
    this.pump();
    // Where there was no session to close, there is no event that says so.
    this.#stop();
  }

  // What the parts of this library use.

  /** The session, at the present time. */
  at(): Session {
    return this.session.at(this.now());
  }

  /** A call that is not asked yet. */
  make(type: string, payload: unknown, options: CallOptions, ch?: string): Call {
    const { timeoutMs = this.options.timeoutMs ?? TIMEOUT_MS, key } = options;
    const { since, removed } = this.options.requests?.[type] ?? {};
    const more = { ch, key, since, removed } as Call["more"];
    this.check(type, payload);
    return new Call(type, this.session.format.body(payload), this.now() + timeoutMs, more);
  }

  /** @throws {CallError} where a part finds that this payload is not what its type says. */
  check(type: string, payload: unknown): void {
    for (const part of this.session.parts) part.check?.(type, payload);
  }

  /** One attempt of a call, to its one reply. */
  ask(call: Call, signal?: AbortSignal, placed?: () => void): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        const cause = { cause: signal?.reason };
        const text = `${call.type}: cancelled`;
        reject(new CallError("cancelled", call.outcome, text, undefined, undefined, cause));
        this.at().cancel(call);
        this.pump();
      };
      call.settle = (reply) => {
        signal?.removeEventListener("abort", abort);
        resolve(reply);
      };
      const isClosed = this.state.name === "closed";
      if (signal?.aborted) return abort();
      if (isClosed || !this.at().call(call)) {
        const message = "too much waits to be sent";
        const fault = { code: "overloaded", message, retry: "safe" };
        const kind = isClosed ? "lost" : "fault";
        return call.settle({ kind, outcome: "NotSent", payload: fault });
      }
      signal?.addEventListener("abort", abort);
      placed?.();
      this.pump();
    });
  }

  /** Does what can be done: call it after every input of the session. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    const { session } = this;
    for (let event; this.#write() || (event = session.event()); event = undefined) {
      if (event) this.#take(event);
    }
    this.#isPumping = false;
    clearTimeout(this.#pulse);
    const isBlocked = this.#socket && this.#isFull();
    const due = Math.min(session.due(), isBlocked ? this.now() + LOOK_MS : Infinity);
    if (due === Infinity || this.state.name === "closed") return;
    this.#pulse = timer(() => {
      this.at().timeout();
      this.pump();
    }, due - this.now());
  }

  /** A new session and its first attempt. */
  #start(): void {
    const { options } = this;
    this.session = new Session({ ...options, id: uuid, parts: options.with ?? [] });
    this.#failed = 0;
    this.#largest = options.maxFrame ?? 65_536;
    this.#signs = new AbortController();
    this.#watch();
    void this.#connect();
  }

  #probe(): void {
    this.at().probe();
    this.pump();
  }

  async #connect(): Promise<void> {
    const attempt = ++this.attempt;
    this.#clear();
    this.#reject = undefined;
    this.#setState({ name: "connecting", attempt: this.#failed + 1 });
    this.#timer = timer(() => this.#retry("no connection in time"), ATTEMPT_MS);
    try {
      const { token } = this.options;
      const given = await (typeof token === "function" ? token() : token);
      if (attempt === this.attempt) this.#open(given);
    } catch (error) {
      if (attempt === this.attempt) this.#retry(String(error));
    }
  }

  #open(token: string | undefined): void {
    const { fingerprint, client, format = json, WebSocket = globalThis.WebSocket } = this.options;
    let socket: Socket;
    let why = "the server could not be reached";
    try {
      socket = new (WebSocket as unknown as SocketClass)(this.#url, [format.protocol]);
    } catch (error) {
      return this.#stop(undefined, String(error));
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      clearTimeout(this.#timer);
      if (socket.protocol !== format.protocol) {
        return this.#stop(4510, "the server speaks another wire format");
      }
      this.at().connect({ fingerprint, client, auth: token === undefined ? token : { token } });
      this.pump();
    };
    socket.onmessage = ({ data }: { data: any }) => {
      const size = data.length ?? data.byteLength;
      const it = size > this.#largest ? 4503 : format.read(data);
      this.at().receive(Object(it) === it ? { ...(it as object), size } as any : it);
      this.pump();
    };
    socket.onerror = ({ message }: { message?: string }) => (why = message || why);
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      if (!this.session.isConnected()) return this.#retry(reason || why);
      this.at().disconnected(code === 1006 ? 0 : code, reason || why);
      this.pump();
    };
  }

  /** Writes what the socket takes; false when nothing was written. */
  #write(): boolean {
    let isWritten = false;
    while (this.#socket?.readyState === 1) {
      // The last words of a session do not wait.
      if (this.session.isOpen() && this.#isFull()) break;
      const frame = this.at().transmit();
      if (!frame) break;
      this.#socket.send(this.session.format.write(frame));
      isWritten = true;
    }
    return isWritten;
  }

  #isFull(): boolean {
    const { bufferedAmount = 0 } = this.#socket as Socket;
    if (bufferedAmount < HIGH || bufferedAmount !== this.#buffered) this.#stuckSince = this.now();
    else if (this.now() - this.#stuckSince >= STUCK_MS) {
      this.at().close(4003, "nothing was read for too long", "session");
    }
    this.#buffered = bufferedAmount;
    return bufferedAmount >= HIGH;
  }

  #take(event: Event): void {
    const { session } = this;
    switch (event.on) {
      case "welcome": {
        const { version, limits } = event.welcome;
        this.#welcomed = this.now();
        this.#largest = Math.max(this.#largest, limits.max_frame);
        this.#setState({ name: "ready", version });
        break;
      }
      case "rejected":
        this.#reject = event.reject;
        break;
      case "closed":
        this.#after(event.closed);
        break;
      case "answered":
        event.call.settle?.(event.reply);
        break;
      default:
        if (!("ch" in event)) {
          for (const part of session.parts) part.on?.(event, this);
          break;
        }
        const it = this.#subscriptions.get(event.ch);
        if (/ended|not/.test(event.on)) this.#subscriptions.delete(event.ch);
        if (it?.take(event) === false) {
          session.close(4500, "more events than the announced window", "session");
        }
    }
  }

  /** A connection is over: the range of its code says what follows. */
  #after({ by, code, reason, retry }: Closed): void {
    this.#clear(code, reason);
    if (this.#welcomed && this.now() - this.#welcomed >= this.#backoff.resetMs) this.#failed = 0;
    this.#welcomed = 0;
    if (by === "application") return this.#stop();
    const text = `${code}: ${reason}`;
    if (advice(code) === "stop") this.#stop(code, text);
    else this.#retry(text, retry);
  }

  #retry(reason: string, window?: [number, number]): void {
    const failed = this.#failed++;
    this.#clear();
    // Credentials that come too late open nothing.
    this.attempt++;
    if (failed >= this.#backoff.attempts) return this.#stop(undefined, `gave up: ${reason}`);
    const delayMs = delay(this.#backoff, failed, window);
    this.#timer = timer(() => this.#connect(), delayMs);
    this.#setState({ name: "waiting", delayMs, reason });
  }

  /** The client stopped: everything that waits has its outcome. */
  #stop(code?: number, reason?: string): void {
    if (this.state.name === "closed") return;
    this.#clear();
    clearTimeout(this.#pulse);
    this.attempt++;
    this.#signs.abort();
    const error = reason ? new ConnectionError(code, reason, this.#reject) : undefined;
    this.#setState(error ? { name: "closed", error } : { name: "closed" });
    this.session.abandon();
    for (const part of this.session.parts) part.stop?.();
    this.pump();
    const subscriptions = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    for (const it of subscriptions) it.end("lost", "the client stopped");
  }

  /** Forgets the socket and the timer of an attempt. */
  #clear(code = 0, reason = ""): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    // The package `ws` throws an error that nobody listens to.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {};
    // 123 bytes fit, of any text.
    if (code === 1000 || (code >= 3000 && code < 5000)) socket.close(code, reason.slice(0, 40));
    else socket.close();
  }

  #setState(state: State): void {
    this.state = state;
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

  /** Until the server can be asked again, or there is no time left for it. */
  #nextWelcome(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const end = this.onState(({ name }) => /ready|closed/.test(name) && done());
      const wait = timer(() => done(), deadline - this.now());
      const done = () => {
        clearTimeout(wait);
        end();
        resolve();
      };
    });
  }

  /** The signs of browsers that a connection may be lost, or may be had again. */
  #watch(): void {
    const { signal } = this.#signs;
    const page = globalThis.document;
    const on = (target: any, name: string, run: () => void) =>
      target?.addEventListener?.(name, run, { signal });
    const hurry = () => this.reconnect();
    on(globalThis, "online", hurry);
    on(globalThis, "pageshow", hurry);
    on(globalThis, "offline", () => this.#probe());
    on(page, "resume", hurry);
    on(page, "visibilitychange", () => page.hidden || hurry());
  }
}
