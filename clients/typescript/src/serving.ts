import type { Port } from "./events.js";
import { byteLength, type Envelope, type Fault } from "./wire.js";

/** Requests of the server that wait for their turn, and bytes of those without an answer. */
const IN_FLIGHT = 64;
const QUEUED = 256;
const BYTES = 4_194_304;
/** A header's share of a message's size, generously. */
const HEAD = 512;

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
export class Serving {
  inFlight = IN_FLIGHT;
  queued = QUEUED;
  #port: Port;
  #serves: Record<string, Served>;
  #all: Request[] = [];

  constructor(port: Port, serves: Record<string, Served>) {
    this.#port = port;
    this.#serves = serves;
  }

  onRequest({ type, id, ttl, payload, size = 0 }: Envelope & { size?: number }): void {
    const served = Object.hasOwn(this.#serves, type) ? this.#serves[type] : undefined;
    const version = this.#port.version;
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
    const deadline = ttl === undefined ? Infinity : this.#port.now + ttl;
    const request = { type, payload, id, bytes: size, deadline };
    this.#all.push({ ...request, isStarted: false, isAnswered: false });
    this.start();
  }

  /** Starts what may start. */
  start(): void {
    for (const it of this.#all) {
      const running = this.#all.filter((it) => it.isStarted).length;
      if (running >= this.inFlight || !this.#port.hasRoom()) return;
      if (it.isStarted) continue;
      it.isStarted = true;
      this.#port.tell({ on: "request", request: it });
    }
  }

  /** The application's answer. One to a request that was answered already goes nowhere. */
  answer(request: Request, answer: Answer): void {
    const isOpen = this.#all.includes(request) && !request.isAnswered;
    this.#drop(request);
    if (isOpen) {
      const [[word, payload]] = Object.entries(answer) as [[string, unknown]];
      const body = JSON.stringify(payload ?? null);
      if (word === "fault") {
        this.#port.push("$err", { re: request.id }, payload);
      } else if (byteLength(body) + HEAD > this.#port.maxFrame) {
        this.#fault(request.id, "too_large", "unknown", "the answer is too large");
      } else {
        this.#port.push(`${request.type}.${word}`, { re: request.id }, payload);
      }
    }
    this.start();
  }

  onCancel(re: string): void {
    const it = this.#all.find((it) => it.id === re && !it.isAnswered);
    if (!it) return;
    if (it.isStarted) return this.#port.tell({ on: "stop", request: it, why: "cancelled" });
    this.#drop(it);
    this.#fault(re, "cancelled", "safe", "cancelled before it was started");
  }

  check(now: number): void {
    for (const it of this.#all.filter((it) => it.deadline <= now)) {
      it.deadline = Infinity;
      if (it.isStarted) {
        it.isAnswered = true;
        this.#port.tell({ on: "stop", request: it, why: "deadline" });
      } else this.#drop(it);
      const retry = it.isStarted ? "unknown" : "safe";
      this.#fault(it.id, "deadline", retry, "the time of this request ran out");
    }
  }

  due(): number {
    return this.#all.reduce((due, it) => Math.min(due, it.deadline), Infinity);
  }

  /** The session is lost: what the server asked in it is stopped. */
  abandon(): void {
    const running = this.#all.filter((it) => it.isStarted && !it.isAnswered);
    this.#all = this.#all.filter((it) => it.isStarted);
    for (const it of this.#all) {
      it.isAnswered = true;
      it.deadline = Infinity;
    }
    for (const request of running) this.#port.tell({ on: "stop", request, why: "cancelled" });
  }

  #fault(re: string, code: string, retry: Fault["retry"], message: string): void {
    this.#port.push("$err", { re }, { code, message, retry });
  }

  #drop(request: Request): void {
    this.#all = this.#all.filter((it) => it !== request);
  }
}
