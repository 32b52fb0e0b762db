import type { Closed, Event } from "./events.js";
import { Session } from "./session.js";
import { BACKOFF, clock, delay, uuid } from "./socket.js";
import type { Backoff, Socket, SocketClass } from "./socket.js";
import type { Served } from "./serving.js";
import type { Contract } from "./protocol.js";
import { advice, decode, encode } from "./wire.js";

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

/** Why the client stopped. */
export class ConnectionError extends Error {
  override name = "ConnectionError";

  constructor(
    /** The close code, where there is one. 4511: one side needs an upgrade. */
    readonly code: number | undefined,
    message: string,
    /** The payload of `$reject`, where the server refused the hello. */
    readonly reject?: any,
  ) {
    super(message);
  }
}

/** What a driver is told at its start. */
export interface DriverOptions extends Contract {
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
}

/** The loop that feeds a session from a socket, and finds another socket when one is lost. */
export class Driver {
  state: State = { name: "connecting", attempt: 1 };
  session!: Session;
  readonly now = clock();
  #url: string;
  #options: DriverOptions;
  #serves: Record<string, Served>;
  #backoff: Backoff;
  #on: (event: Event) => void;
  #onState: (state: State) => void;
  #socket: Socket | undefined;
  /** The attempt or the delay that is under way. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pulse: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #failed = 0;
  #welcomed: number | undefined;
  #largest: number;
  #reject: any;
  #isPumping = false;
  #buffered = 0;
  #stuckSince = 0;
  #signs = new AbortController();

  constructor(
    url: string,
    options: DriverOptions,
    serves: Record<string, Served>,
    on: (event: Event) => void,
    onState: (state: State) => void,
  ) {
    this.#url = url;
    this.#options = options;
    this.#serves = serves;
    this.#backoff = { ...BACKOFF, ...options.backoff };
    this.#largest = options.maxFrame ?? 65_536;
    this.#on = on;
    this.#onState = onState;
    this.start();
  }

  /** A new session and its first attempt. */
  start(): void {
    const { protocol, versions, maxFrame = 65_536, window } = this.#options;
    const wall = Date.now() - this.now();
    const config = { protocol, versions: [...versions] as [number, number], id: uuid, wall };
    const more = { serves: this.#serves, maxFrame, ...(window && { window }) };
    this.session = new Session({ ...config, ...more });
    this.#failed = 0;
    this.#signs = new AbortController();
    this.#watch();
    void this.#connect();
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
    const wait = Math.min(Math.max(0, due - this.now()), 2 ** 31 - 1);
    this.#pulse = setTimeout(() => {
      this.session.at(this.now()).timeout();
      this.pump();
    }, wait);
  }

  /** There is a reason to hope: try at once. */
  hurry(): void {
    if (this.state.name === "waiting") void this.#connect();
    this.probe();
  }

  /** There is a reason to doubt: ask whether the server still lives. */
  probe(): void {
    this.session.at(this.now()).probe();
    this.pump();
  }

  /** The end: the session is over, and nothing follows. */
  close(): void {
    if (this.state.name === "closed") return;
    this.session.at(this.now()).close(1000, "the client is done");
    this.pump();
    // Where there was no session to close, there is no event that says so.
    this.#stop();
  }

  async #connect(): Promise<void> {
    const attempt = ++this.#attempt;
    const isOver = () => attempt !== this.#attempt;
    this.#clear();
    this.#setState({ name: "connecting", attempt: this.#failed + 1 });
    this.#timer = setTimeout(() => this.#retry("no connection in time"), ATTEMPT_MS);
    try {
      const { token } = this.#options;
      const given = await (typeof token === "function" ? token() : token);
      if (!isOver()) this.#open(given);
    } catch (error) {
      if (!isOver()) this.#retry(String(error));
    }
  }

  #open(token: string | undefined): void {
    const { fingerprint, client } = this.#options;
    const WebSocket = (this.#options.WebSocket ?? globalThis.WebSocket) as unknown as SocketClass;
    if (!WebSocket) return this.#stop(new ConnectionError(undefined, "there is no WebSocket here"));
    let socket: Socket;
    try {
      socket = new WebSocket(this.#url, ["wsp1.json"]);
    } catch (error) {
      return this.#stop(new ConnectionError(undefined, String(error)));
    }
    let why = "the server could not be reached";
    this.#socket = socket;
    socket.onopen = () => {
      clearTimeout(this.#timer);
      if (socket.protocol !== "wsp1.json") {
        return this.#stop(new ConnectionError(4510, "the server speaks another wire format"));
      }
      const auth = token === undefined ? undefined : { token };
      this.session.at(this.now()).connect({ fingerprint, client, auth });
      this.pump();
    };
    socket.onmessage = ({ data }: { data: unknown }) => this.#receive(data);
    socket.onerror = ({ message }: { message?: string }) => (why = message || why);
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      if (!this.session.isConnected()) return this.#retry(reason || why);
      this.session.at(this.now()).disconnected(code === 1006 ? undefined : code, reason || why);
      this.pump();
    };
  }

  #receive(data: unknown): void {
    const session = this.session.at(this.now());
    const say = (code: number, reason: string) => session.close(code, reason, "session");
    if (typeof data !== "string") say(4504, "text was agreed");
    else if (data.length > this.#largest) say(4503, "a message larger than was announced");
    else {
      const envelope = decode(data);
      session.receive(envelope && { ...envelope, size: data.length });
    }
    this.pump();
  }

  /** Writes what the socket takes; false when nothing was written. */
  #write(): boolean {
    let isWritten = false;
    while (this.#socket?.readyState === 1) {
      // The last words of a session do not wait.
      if (this.session.isOpen() && this.#isFull()) break;
      const frame = this.session.at(this.now()).transmit();
      if (!frame) break;
      this.#socket.send(encode(frame));
      isWritten = true;
    }
    return isWritten;
  }

  #isFull(): boolean {
    const buffered = this.#socket?.bufferedAmount ?? 0;
    if (buffered < HIGH) {
      this.#buffered = 0;
      return false;
    }
    if (buffered !== this.#buffered) this.#stuckSince = this.now();
    else if (this.now() - this.#stuckSince >= STUCK_MS) {
      this.session.at(this.now()).close(4003, "nothing was read for too long", "session");
    }
    this.#buffered = buffered;
    return true;
  }

  #take(event: Event): void {
    if (event.on === "welcome") {
      this.#welcomed = this.now();
      this.#largest = Math.max(this.#largest, event.welcome.limits.max_frame);
      this.#setState({ name: "ready", version: event.welcome.version });
    } else if (event.on === "rejected") {
      this.#reject = event.reject;
    } else if (event.on === "auth_required") {
      void this.#renew();
    }
    this.#on(event);
    if (event.on === "closed") this.#after(event.closed);
  }

  /** Asks for other credentials; without a function to ask, those that there are expire. */
  async #renew(): Promise<void> {
    const { token } = this.#options;
    if (typeof token !== "function") return;
    const attempt = this.#attempt;
    let given: string | undefined;
    try {
      given = await token();
    } catch {
      // Those before still count: it is asked again later.
    }
    // Asked over a connection that is over: the next hello brings its own.
    if (attempt !== this.#attempt) return;
    this.session.at(this.now()).auth(given);
    this.pump();
  }

  /** A connection is over: the range of its code says what follows. */
  #after({ by, code, reason, retry }: Closed): void {
    this.#clear(code, reason);
    const lived = this.#welcomed === undefined ? 0 : this.now() - this.#welcomed;
    if (lived >= this.#backoff.resetMs) this.#failed = 0;
    this.#welcomed = undefined;
    if (by === "application") return this.#stop();
    const text = `${code}: ${reason}`;
    if (advice(code) === "stop") return this.#stop(new ConnectionError(code, text, this.#reject));
    this.#retry(text, retry);
  }

  #retry(reason: string, window?: [number, number]): void {
    this.#clear();
    // Credentials that come too late open nothing.
    this.#attempt++;
    const failed = this.#failed++;
    if (failed >= this.#backoff.attempts) {
      return this.#stop(new ConnectionError(undefined, `gave up: ${reason}`));
    }
    const delayMs = delay(this.#backoff, failed, window);
    this.#timer = setTimeout(() => this.#connect(), delayMs);
    this.#setState({ name: "waiting", delayMs, reason });
  }

  #stop(error?: ConnectionError): void {
    if (this.state.name === "closed") return;
    this.#clear();
    clearTimeout(this.#pulse);
    this.#attempt++;
    this.#signs.abort();
    this.#setState(error ? { name: "closed", error } : { name: "closed" });
  }

  /** Forgets the socket and the timer of an attempt. */
  #clear(code?: number, reason = ""): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    // The package `ws` throws an error that nobody listens to.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {};
    const isSayable = code === 1000 || (code !== undefined && code >= 3000 && code < 5000);
    // 123 bytes fit, of any text.
    if (isSayable) socket.close(code, reason.slice(0, 40));
    else socket.close();
  }

  #setState(state: State): void {
    this.state = state;
    this.#reject = state.name === "connecting" ? undefined : this.#reject;
    this.#onState(state);
  }

  /** The signs of browsers that a connection may be lost, or may be had again. */
  #watch(): void {
    const { signal } = this.#signs;
    const hurry = () => this.hurry();
    globalThis.addEventListener?.("online", hurry, { signal });
    globalThis.addEventListener?.("offline", () => this.probe(), { signal });
    const page = globalThis.document;
    page?.addEventListener("visibilitychange", () => page.hidden || hurry(), { signal });
  }
}
