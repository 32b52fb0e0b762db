import { HEAD } from "./bounds.js";
import type { Inside } from "./client.js";
import { Rejection } from "./errors.js";
import type { Hooks, Part } from "./events.js";
import type * as p from "./protocol.js";
import type { Session } from "./core.js";
import { byteLength, type Envelope, type Fault } from "./wire.js";

/** Requests of the server that wait for their turn, and bytes of those without an answer. */
const IN_FLIGHT = 64;
const QUEUED = 256;
const BYTES = 4_194_304;

/**
 * Serves what the server asks. Without this part the client answers `unimplemented`.
 */
export function callbacks<P extends p.Shape = p.AnyProtocol>(handlers: p.Handlers<P>): Part {
  return (session, client) => new Serving(session, { ...handlers }, handlers, client);
}

/** What the server asks (docs/protocol.md, section 7). */
export interface Request {
  type: string;
  payload: any;
  id: string;
  bytes: number;
  deadline: number;
  isStarted: boolean;
  isAnswered: boolean;
}

/** A request that the client serves: which versions have it. */
export interface Served {
  since?: number;
  removed?: number;
}

/** The one answer of a request. */
export type Answer = { ok: unknown } | { err: unknown } | { fault: Fault };

/** What the server asked: in what order it starts, and its one answer. */
export class Serving implements Hooks {
  inFlight = IN_FLIGHT;
  queued = QUEUED;
  #port: Session;
  #serves: Record<string, Served>;
  #handlers: Record<string, any>;
  #all: Request[] = [];
  #running = new Map<Request, AbortController>();
  #client: Inside | undefined;
  #version = 0;

  constructor(
    port: Session,
    serves: Record<string, Served>,
    handlers: Record<string, any> = {},
    client?: Inside,
  ) {
    this.#port = port;
    this.#serves = serves;
    this.#handlers = handlers;
    this.#client = client;
  }

  welcome_({ version }: { version: number }): void {
    this.#version = version;
  }

  receive_(it: Envelope): boolean {
    // What it acknowledges may make room.
    this.start_();
    const isRequest = it.type[0] !== "$" && !it.re && !it.ch;
    if (isRequest) this.#onRequest(it);
    else if (it.type === "$cancel") this.#onCancel(it.re as string);
    return isRequest;
  }

  /** A request starts: its handler is asked, as soon as the session is done with its input. */
  async serve_(request: Request): Promise<void> {
    const stop = new AbortController();
    let answer: Answer;
    this.#running.set(request, stop);
    try {
      const { type, payload } = request;
      await undefined;
      answer = { ok: await this.#handlers[type].handle(payload, stop.signal) };
    } catch (error) {
      const fault = { code: "internal", message: "the handler failed", retry: "unknown" as const };
      answer = error instanceof Rejection ? { err: error.error } : { fault };
    }
    this.#running.delete(request);
    this.#client?.at_();
    this.answer(request, answer);
    this.#client?.pump_();
  }

  /** A request that runs is not worth going on with. */
  async stop_(request: Request, _why: "cancelled" | "deadline"): Promise<void> {
    await undefined;
    this.#running.get(request)?.abort();
  }

  #onRequest({ type, id: written, ttl, payload }: Envelope): void {
    const id = written.toLowerCase();
    const size = byteLength(this.#port.format_.body(payload)) + HEAD;
    const served = Object.hasOwn(this.#serves, type) ? this.#serves[type] : undefined;
    const version = this.#version;
    if (!served || version < (served.since ?? 0) || version >= (served.removed ?? Infinity)) {
      return this.#fault(id, "unimplemented", "never", `no request \`${type}\``);
    }
    if (this.#all.some((it) => it.id === id)) {
      return this.#fault(id, "invalid", "never", "a request with this `id` is being worked on");
    }
    const waiting = this.#all.filter((it) => !it.isStarted).length;
    const bytes = this.#all.reduce((sum, it) => sum + it.bytes, size);
    if (waiting >= this.queued || bytes > BYTES) {
      return this.#fault(id, "overloaded", "safe", "too many requests wait for their turn");
    }
    const deadline = ttl === undefined ? Infinity : this.#port.now_() + ttl;
    const request = { type, payload, id, bytes: size, deadline };
    this.#all.push({ ...request, isStarted: false, isAnswered: false });
    this.start_();
  }

  /** Starts what may start. */
  start_(): void {
    for (const it of this.#all) {
      const running = this.#all.filter((it) => it.isStarted).length;
      if (running >= this.inFlight || !this.#port.hasRoom_()) return;
      if (it.isStarted) continue;
      it.isStarted = true;
      void this.serve_(it);
    }
  }

  /** The application's answer. One to a request that was answered already goes nowhere. */
  answer(request: Request, answer: Answer): void {
    const isOpen = this.#all.includes(request) && !request.isAnswered;
    this.#drop(request);
    if (isOpen) {
      const [[word, payload]] = Object.entries(answer) as [[string, unknown]];
      const body = this.#port.format_.body(payload);
      if (word === "fault") {
        this.#port.push_("$err", { re: request.id }, payload);
      } else if (byteLength(body) + HEAD > this.#port.maxFrame_()) {
        this.#fault(request.id, "too_large", "unknown", "the answer is too large");
      } else {
        this.#port.push_(`${request.type}.${word}`, { re: request.id }, payload);
      }
    }
    this.start_();
  }

  #onCancel(re: string): void {
    const it = this.#all.find((it) => it.id === re && !it.isAnswered);
    if (!it) return;
    if (it.isStarted) return void this.stop_(it, "cancelled");
    this.#drop(it);
    this.#fault(re, "cancelled", "safe", "cancelled before it was started");
  }

  timeout_(): void {
    const now = this.#port.now_();
    for (const it of this.#all.filter((it) => it.deadline <= now)) {
      it.deadline = Infinity;
      if (it.isStarted) {
        it.isAnswered = true;
        void this.stop_(it, "deadline");
      } else this.#drop(it);
      const retry = it.isStarted ? "unknown" : "safe";
      this.#fault(it.id, "deadline", retry, "the time of this request ran out");
    }
  }

  due_(): number {
    return this.#all.reduce((due, it) => Math.min(due, it.deadline), Infinity);
  }

  /** The session is lost: what the server asked in it is stopped. */
  lost_(): void {
    const running = this.#all.filter((it) => it.isStarted && !it.isAnswered);
    this.#all = this.#all.filter((it) => it.isStarted);
    for (const it of this.#all) {
      it.isAnswered = true;
      it.deadline = Infinity;
    }
    for (const request of running) void this.stop_(request, "cancelled");
  }

  #fault(re: string, code: string, retry: Fault["retry"], message: string): void {
    this.#port.push_("$err", { re }, { code, message, retry });
  }

  #drop(request: Request): void {
    this.#all = this.#all.filter((it) => it !== request);
  }
}
