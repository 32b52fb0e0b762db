import { isFinal, outcomeOf } from "./codes.js";
import { ConnectionError, failure } from "./errors.js";
import type { Call, Closed, Failed, Part, Reply } from "./events.js";
import type * as p from "./protocol.js";
import type { Session } from "./core.js";
import { session } from "./session.js";
import { BACKOFF, delay, timer, uuid } from "./socket.js";
import type { Backoff, Socket, SocketClass } from "./socket.js";
import { subscription, type Subscription } from "./subscription.js";
import { json, type Format, type Position } from "./wire.js";

/** Where the connection stands. */
export type State =
  | { name: "connecting"; attempt: number }
  | { name: "ready"; version: number }
  /** The next attempt follows by itself. */
  | { name: "waiting"; delayMs: number; reason: string }
  /** The client will not connect by itself any more; without an error it was closed. */
  | { name: "closed"; error?: ConnectionError | undefined };

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

/** What the parts of this library use of a client. */
export interface Inside {
  readonly options_: Options;
  /** The session, at the present time. */
  at_(): Session;
  /** Bytes that the socket has not sent. */
  held_(): number | undefined;
  /** Does what can be done: call it after every input of the session. */
  pump_(): void;
  /** A call that is not asked yet. */
  make_(type: string, payload: unknown, options: CallOptions, ch?: string): Call;
  /** @throws {CallError} where a part finds that this payload is not what its type says. */
  check_(type: string, payload: unknown): void;
  /** One attempt of a call, to its one reply. */
  ask_(call: Call, signal?: AbortSignal, placed?: () => void): Promise<Reply>;
}

/**
 * A connection that comes back by itself, and the session that goes on over it
 * (docs/protocol.md).
 */
export class Client<P extends p.Shape = p.AnyProtocol> {
  /** Where the connection stands. */
  state: State = { name: "closed" };
  /** For the parts of this library. */
  declare readonly inside: Inside;

  /** Tells each new state; the function that is returned ends that. */
  declare readonly onState: (listener: (state: State) => void) => () => void;

  /**
   * Asks. What may be worked on twice is asked again when its session was lost, and what a server
   * that stops refused is asked again of the next one.
   *
   * @throws {CallError}
   */
  declare readonly call: <K extends p.Requests<P>>(
    type: K,
    payload: p.PayloadOf<P, K>,
    options?: CallOptions,
  ) => Promise<p.ReplyOf<P, K>>;

  /**
   * Listens to a channel until the loop is left. The subscription survives reconnects: what was
   * missed comes again, and what cannot come is said by a `$gap`.
   */
  declare readonly subscribe: <A extends p.AddressOf<P>>(
    ch: A,
    options?: SubscribeOptions,
  ) => Subscription<p.Item<P, A>>;

  /** Publishes an event; the position that it got, on a channel that has positions. */
  declare readonly publish: <A extends p.AddressOf<P>, E extends keyof p.EventsOf<P, A> & string>(
    ch: A,
    event: E,
    payload: p.EventsOf<P, A>[E],
    options?: CallOptions,
  ) => Promise<Position | undefined>;

  /** Connects at once, where the client waits to do so; begins anew where it stopped. */
  declare readonly reconnect: () => void;

  /** Ends the session. Calls without an answer fail, subscriptions end. */
  declare readonly close: () => void;

  constructor(url: string, options: Options) {
    drive(this, url, options);
  }
}

/** Drives one session after the other over one socket after the other. */
function drive(self: any, url: string, options: Options): void {
  const TIMEOUT_MS = 30_000;
  const ATTEMPT_MS = 10_000;
  /** Bytes that the socket may hold before the session waits. */
  const HIGH = 65_536;
  /** How often to look whether the socket took some of them, and for how long to wait for that. */
  const LOOK_MS = 50;

  const { token, format = json } = options;
  const backoff = { ...BACKOFF, ...options.backoff };
  const listeners = new Set<(state: State) => void>();
  let current: Session;
  let socket: Socket | undefined;
  /** The attempt or the delay that is under way, and what is due in the session. */
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let pulse: ReturnType<typeof setTimeout>;
  /** Counts the attempts that failed in a row. */
  let failed = 0;
  let welcomed = Infinity;
  let largest = options.maxFrame ?? 65_536;

  const at = () => current.at_(Date.now());
  const now = () => at().now_();
  const isClosed = () => self.state.name === "closed";

  const setState = (state: State) => {
    self.state = state;
    // A listener's mistake is its own: it must not stop the connection.
    listeners.forEach(async (listener) => listener(state));
  };

  const flush = () => {
    let frame;
    while (
      socket?.readyState === 1 &&
      // The last words of a session do not wait for the socket to take more.
      !(at().isOpen_() && isFull()) &&
      (frame = at().transmit_())
    ) {
      socket.send(format.write(frame));
    }
  };

  const pump = () => {
    flush();
    const closed = at().closed_();
    if (closed) over(closed);
    clearTimeout(pulse);
    if (isClosed()) return;
    const run = () => {
      at().timeout_();
      pump();
    };
    // A full socket does not say when it has taken some.
    pulse = timer(run, isFull() ? LOOK_MS : at().due_() - now());
  };

  const isFull = () => (socket as Socket)?.bufferedAmount >= HIGH;

  const over = ({ code, reason, reject, retry_after_ms: window }: Closed) => {
    const text = `${code}: ${reason}`;
    clear(code);
    if (isFinal(code)) stop(text, { code, reject });
    else retry(text, window);
  };

  /** A new session and its first attempt. */
  const start = () => {
    const welcome_ = ({ version, limits }: any) => {
      welcomed = now();
      largest = Math.max(largest, limits.max_frame);
      setState({ name: "ready", version });
    };
    current = session({ ...options, id: uuid, welcome_ });
    current.parts_.push(...(options.with ?? []).map((make) => make(current, self.inside)));
    failed = 0;
    void connect();
  };

  const connect = async () => {
    let end: (reason: string) => void = retry;
    let why = "no connection";
    clear();
    const mine = (waiting = timer(() => retry(why), ATTEMPT_MS));
    setState({ name: "connecting", attempt: failed + 1 });
    try {
      const given = await (typeof token === "function" ? token() : token);
      // Credentials that come too late open nothing.
      if (mine !== waiting) return;
      // What the class throws it throws again.
      end = stop;
      const made = (options.WebSocket ?? WebSocket) as SocketClass;
      const it = (socket = new made(url, [format.protocol]));
      it.binaryType = "arraybuffer";
      /** What a socket says that was left is nothing any more. */
      const on = (take: (event: any) => void) => (event: unknown) => {
        if (it !== socket) return;
        take(event);
        pump();
      };
      it.onopen = on(() => {
        clearTimeout(waiting);
        if (it.protocol !== format.protocol) return stop("4510", { code: 4510 });
        at().connect_({ auth: given ? { token: given } : undefined });
      });
      it.onmessage = on(({ data }) => {
        const size = data.length ?? data.byteLength;
        at().receive_(size > largest ? 4503 : format.read(data));
      });
      // The package `ws` throws an error that nobody listens to.
      it.onerror = ({ message }) => (why = message || why);
      it.onclose = on(({ code, reason }) => {
        at().disconnected_({ code, reason: reason || why });
      });
    } catch (error) {
      if (mine === waiting) end(String(error));
    }
  };

  const retry = (reason: string, window?: Closed["retry_after_ms"]) => {
    clear();
    if (now() - welcomed >= backoff.resetMs) failed = 0;
    welcomed = Infinity;
    if (failed >= backoff.attempts) return stop(`gave up: ${reason}`);
    const delayMs = delay(backoff, failed++, window);
    waiting = timer(connect, delayMs);
    setState({ name: "waiting", delayMs, reason });
  };

  /** The client stopped: everything that waits has its outcome. */
  const stop = (reason?: string, fields?: Pick<ConnectionError, "code" | "reject">) => {
    if (isClosed()) return;
    clear();
    clearTimeout(pulse);
    current.lose_(true);
    current.listened_.forEach((it) => (it as Subscription<any>).end_("lost"));
    setState({ name: "closed", error: reason ? new ConnectionError(reason, fields) : undefined });
  };

  /** Forgets the socket and the timer of an attempt. */
  const clear = (code?: number) => {
    clearTimeout(waiting);
    waiting = undefined;
    const it = socket;
    socket = undefined;
    try {
      it?.close(code);
    } catch {
      // A code that must not travel.
      it?.close();
    }
  };

  const check = (type: string, payload: unknown) => {
    for (const part of current.parts_) part.check_?.(type, payload);
  };

  const make: Inside["make_"] = (type, payload, { timeoutMs, key }, ch) => {
    check(type, payload);
    const deadline = now() + (timeoutMs ?? options.timeoutMs ?? TIMEOUT_MS);
    return { ...options.requests?.[type], type, body: format.body(payload), deadline, key, ch };
  };

  const ask: Inside["ask_"] = (call, signal, placed) =>
    new Promise((resolve) => {
      const take = (reply: Reply) => {
        signal?.removeEventListener("abort", abort);
        resolve(reply);
      };
      const abort = () => {
        take({ kind: "cancelled", outcome: outcomeOf(call) });
        at().cancel_(call);
        pump();
      };
      call.take_ = take;
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort);
      at().call_(call);
      placed?.();
      if (isClosed()) current.lose_(true);
      pump();
    });

  /** Asks until there is an answer that the caller has to hear. */
  const request = async (
    type: string,
    payload: unknown,
    options: CallOptions = {},
    ch?: string,
  ) => {
    const first: Call & p.RequestInfo = make(type, payload, options, ch);
    const mayRepeat = first.idempotent || first.dedup;
    if (mayRepeat) first.key ??= uuid();
    let mayHaveRun = false;
    for (;;) {
      const { kind, outcome, payload } = await ask({ ...first }, options.signal);
      if (kind === "ok") return payload;
      if (kind === "lost" && outcome === "Unknown" && mayRepeat) mayHaveRun = true;
      else if (outcome === "NotProcessed" && payload.code === "draining") {
        await nextWelcome(first.deadline);
      } else {
        // An attempt before this one may have been worked on.
        const isOpen = mayHaveRun && outcome !== "Processed";
        const failed = { kind, payload, outcome: isOpen ? "Unknown" : outcome } as Failed;
        throw failure(type, failed, options.signal);
      }
    }
  };

  /** Until the server can be asked again, or there is no time left for it. */
  const nextWelcome = (deadline: number) =>
    new Promise<void>((resolve) => {
      const late = timer(resolve, deadline - now());
      const end = self.onState(({ name }: State) => {
        if (!/ready|closed/.test(name)) return;
        end();
        clearTimeout(late);
        resolve();
      });
    });

  self.onState = (listener: (state: State) => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  self.call = request;
  self.publish = async (ch: string, event: string, payload: unknown, options?: CallOptions) => {
    const it = await request(`${ch.split("/")[0]}.${event}`, payload, options, ch);
    return it.epoch && it;
  };
  self.subscribe = (ch: string, { since, signal }: SubscribeOptions = {}) => {
    const consumed = (off: number | undefined) => {
      at().consumed_(it, off);
      pump();
    };
    const left = () => {
      at().unsubscribe_(it);
      pump();
    };
    const it = subscription(consumed, left, options.window);
    signal?.addEventListener("abort", it.close);
    if (isClosed()) it.end_("lost");
    else if (!at().subscribe_(it, ch, since)) it.end_("overloaded");
    if (signal?.aborted) it.close();
    pump();
    return it;
  };
  self.reconnect = () => {
    if (isClosed()) start();
    else {
      if (self.state.name === "waiting") void connect();
      at().probe_();
      pump();
    }
  };
  self.close = () => {
    at().fail_(1000);
    flush();
    clear(1000);
    stop();
  };
  self.inside = {
    options_: options,
    at_: at,
    held_: () => socket?.bufferedAmount,
    pump_: pump,
    make_: make,
    check_: check,
    ask_: ask,
  } satisfies Inside;
  start();
}
