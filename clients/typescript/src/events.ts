import type { Inside } from "./client.js";
import type { Session } from "./core.js";
import type { Body, Envelope, Format, Outgoing } from "./wire.js";

/** Whether a call was worked on: what its caller may conclude. */
export type Outcome = "NotSent" | "NotProcessed" | "Unknown" | "Processed";

/** How a call ended, and what came: an answer, a fault, or the version without it. */
export interface Reply {
  kind: "ok" | Failed["kind"];
  outcome: Outcome;
  payload?: any;
}

/** Why a call did not succeed. */
export interface Failed {
  kind: "err" | "fault" | "timeout" | "lost" | "unsupported" | "cancelled" | "invalid";
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
  /** The `$cancel`. */
  cancel_?: string;
  /** Its one reply; nobody waits for it any more where this is absent. */
  take_?: (reply: Reply) => void;
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
  code: number;
  reason: string;
  /** The window of the first delay, in milliseconds. */
  retry_after_ms?: [number, number] | undefined;
  /** The payload of `$reject`, where the server refused the hello. */
  reject?: any;
}

/** What a session is told at its start. */
export interface Config {
  protocol: string;
  versions: readonly [number, number];
  /** What the contract is, and what the client is, for the server. */
  fingerprint?: string;
  client?: { name: string; version: string };
  /** A fresh UUID. */
  id: () => string;
  format?: Format;
  /** The session stands, new or resumed. It may ask for everything then. */
  welcome_: (welcome: any) => void;
  maxFrame?: number;
  window?: number;
}

/** What few programs need of a session is a part of it, made once for each session. */
export type Part = (session: Session, client: Inside) => Hooks;

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
}
