import type { Request } from "./callbacks.js";
import type { Inside } from "./client.js";
import type { Listened } from "./listening.js";
import type { Session } from "./core.js";
import type { Body, Done, Envelope, Fault, Format, Gap, Outgoing } from "./wire.js";

/** Whether a call was worked on: what its caller may conclude. */
export type Outcome = "NotSent" | "NotProcessed" | "Unknown" | "Processed";

/** How a call ended, and what came: an answer, a fault, or the version without it. */
export interface Reply {
  kind: "ok" | "err" | "fault" | "timeout" | "lost" | "unsupported";
  outcome: Outcome;
  payload?: any;
}

/** Why a call did not succeed. */
export interface Failed {
  kind: Exclude<Reply["kind"], "ok"> | "cancelled" | "invalid";
  outcome: Outcome;
  payload?: any;
}

/** A request or a publication of the application. The session keeps what ends in `_`. */
export interface Call {
  type: string;
  /** The payload as it travels. */
  body: Body;
  /** When its time is over. */
  deadline: number;
  /** Where it is published. */
  ch?: string | undefined;
  key?: string | undefined;
  /** The first version that has it, and the first that does not. */
  since?: number | undefined;
  removed?: number | undefined;
  id_?: string;
  isSent_?: boolean;
  isCancelled_?: boolean;
  /** Its one reply; nobody waits for it any more where this is absent. */
  take_?: (event: { reply: Reply }) => void;
  /** Takes a frame about this call that is no answer; false where it cannot. */
  hear_?: (frame: Envelope) => boolean;
}

/** A frame of the session stream that waits, or that may have to be sent again. */
export interface Queued extends Outgoing {
  /** The call that takes this frame along when it is withdrawn. */
  call?: Call;
  /** The number of a `$credit`. */
  n?: number;
  /** The last look before it leaves; false when it must not. */
  check_?: () => boolean;
}

/** How a connection ended. */
export interface Closed {
  by: "application" | "session" | "peer" | "network";
  code: number;
  reason: string;
  /** The window of the first delay, in milliseconds. */
  retry?: [number, number] | undefined;
}

/** What a session tells its application. */
export type Event =
  | { on: "welcome"; welcome: any }
  | { on: "rejected"; reject: any }
  | { on: "closed"; closed: Closed }
  | { on: "answered"; to_: Call; reply: Reply }
  | (About & { to_: Listened })
  | PartEvent;

/** What a session tells of a channel, to whoever listens there. */
export type About = AboutChannel & { ch: string };
export type AboutChannel =
  | { on: "snapshot"; payload: any }
  | { on: "subscribed"; done: Done }
  | { on: "not_subscribed" | "ended"; fault: Fault }
  | { on: "delivered"; type: string; payload: any; off: number | undefined }
  | { on: "gap"; gap: Gap }
  | { on: "live"; off: number };

/** What a part of a session tells. */
export type PartEvent = { to_: Hooks } & (
  | { on: "auth_required" | "renewed" }
  | { on: "not_renewed"; fault: Fault }
  | { on: "request"; request: Request }
  | { on: "stop"; request: Request; why: "cancelled" | "deadline" }
);

/** What a session is told at its start. Its clock counts milliseconds and never goes back. */
export interface Config {
  protocol: string;
  versions: readonly [number, number];
  /** A fresh UUID. */
  id: () => string;
  format?: Format;
  parts?: Part[];
  maxFrame?: number;
  window?: number;
}

/**
 * What few programs need of a session is a part of it: named in its `Config`, made once for each
 * session.
 */
export type Part = (session: Session) => Hooks;

/** When a part is asked, and what it may do. */
export interface Hooks {
  /** The welcome of a connection. */
  welcome_?(welcome: any): void;
  /** A frame arrived in its turn; true where it was for this part. */
  receive_?(it: Envelope): boolean;
  /** A payload is about to be sent; throws where it must not be. */
  check_?(type: string, payload: unknown): void;
  /** When `timeout` is due. */
  due_?(): number;
  timeout_?(): void;
  /** The session is lost, or the client stopped. */
  lost_?(): void;
  /** What the part has told, on the application's side. */
  take_?(event: any, client: Inside): void;
}
