import type { Request, Served } from "./serving.js";
import { byteLength, type Done, type Fault, type Gap, type Head } from "./wire.js";

/** Whether a call was worked on: what its caller may conclude. */
export type Outcome = "NotSent" | "NotProcessed" | "Unknown" | "Processed";

/** How a call ended. */
export type Reply =
  | { kind: "ok" | "err"; payload: any }
  | { kind: "published"; done: Done }
  | { kind: "fault"; fault: Fault; outcome: Outcome }
  | { kind: "timeout" | "lost"; outcome: Outcome }
  | { kind: "unsupported"; version: number };

/** A request or a publication of the application. The session keeps the second half. */
export class Call {
  id = "";
  isSent = false;
  isCancelled = false;
  /** Parts of its upload that the server takes. */
  parts = 0;
  isEnded = false;
  readonly size: number;

  constructor(
    readonly type: string,
    /** The payload as JSON text. */
    readonly body: string,
    /** When its time is over. */
    readonly deadline = Infinity,
    readonly more: { ch?: string; key?: string; since?: number; removed?: number } = {},
  ) {
    this.size = byteLength(body);
  }
}

/** How a connection ended. */
export interface Closed {
  by: "application" | "session" | "peer" | "network";
  code: number;
  reason: string;
  /** The window of the first delay, in milliseconds. */
  retry?: [number, number];
}

/** What a session tells its application. */
export type Event =
  | { on: "welcome"; welcome: any }
  | { on: "rejected"; reject: any }
  | { on: "closed"; closed: Closed }
  | { on: "auth_required" | "renewed" }
  | { on: "not_renewed"; fault: Fault }
  | { on: "answered"; call: Call; reply: Reply }
  | { on: "item"; call: Call; payload: any }
  | { on: "granted"; call: Call; n: number }
  | { on: "request"; request: Request }
  | { on: "stop"; request: Request; why: "cancelled" | "deadline" }
  | { on: "snapshot"; ch: string; payload: any }
  | { on: "subscribed"; ch: string; done: Done }
  | { on: "not_subscribed" | "ended"; ch: string; fault: Fault }
  | { on: "delivered"; ch: string; type: string; payload: any; off: number | undefined }
  | { on: "gap"; ch: string; gap: Gap }
  | { on: "live"; ch: string; off: number }
  | { on: "unsubscribed"; ch: string };

/** What a session is told at its start. Its clock counts milliseconds and never goes back. */
export interface Config {
  protocol: string;
  versions: [number, number];
  /** A fresh UUID. */
  id: () => string;
  /** Added to the session's time, it is the wall clock. */
  wall: number;
  serves?: Record<string, Served>;
  maxFrame?: number;
  window?: number;
}

/** What the parts of a session need of it. */
export interface Port {
  readonly now: number;
  readonly version: number;
  readonly maxFrame: number;
  isOpen(): boolean;
  hasRoom(): boolean;
  push(type: string, about: Partial<Head>, payload: unknown): string;
  tell(event: Event): void;
}
