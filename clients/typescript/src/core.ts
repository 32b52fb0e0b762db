import type { Call, Closed, Hooks, Queued, Reply } from "./events.js";
import type { Listened } from "./listening.js";
import type { Envelope, Fault, Format, Head, Outgoing, Position } from "./wire.js";

/**
 * The client's end of the conversation. Pure: no socket, no clock, no randomness, no timer. Say the
 * time with `at_`, give an input, then poll `transmit_`, `closed_` and `due_`. What it tells it
 * tells at once: whoever listens (`Call.take_`, `Listened`, a part) asks it for nothing meanwhile.
 */
export interface Session {
  /** The time, in milliseconds: the wall clock will do, the session never goes back. */
  at_(time: number): Session;

  // Inputs.

  /** There is a connection: the hello leaves, with what `more` adds to it. */
  connect_(more?: object): void;
  /** The connection is over below the session; with 1006 it was lost. */
  disconnected_(how: Closed): void;
  /** A message arrived; without an envelope there is the code to close with. */
  receive_(it?: Envelope | number): void;
  /** Ends the connection, and says so: the server broke a rule, or is not there. */
  fail_(code: number, reason?: string): void;
  /** False where there is no room. */
  call_(call: Call): boolean;
  cancel_(call: Call): void;
  /** Listens to a channel (section 8). False where there is no room; throws where it listens. */
  subscribe_(it: Listened, ch: string, since?: Position): boolean;
  unsubscribe_(it: Listened): void;
  /** The application has everything of the channel up to `off`. */
  consumed_(it: Listened, off: number | undefined): void;
  /** Asks whether the server still lives, without waiting for the heartbeat. */
  probe_(): void;
  /** Does what is due. */
  timeout_(): void;

  // Outputs.

  /** The next message to send. */
  transmit_(): Outgoing | undefined;
  /** How the connection ended, once, when its last word has left. */
  closed_(): Closed | undefined;
  /** When `timeout_` is due. */
  due_(): number;
  isOpen_(): boolean;

  // What its parts use.

  readonly format_: Format;
  readonly parts_: Hooks[];
  /** What waits for its answer, by `id`. */
  readonly calls_: Map<string, Call>;
  /** What is listened to, by its channel. */
  readonly listened_: Map<string, Listened>;
  now_(): number;
  /** Bytes of the largest message that the server takes. */
  maxFrame_(): number;
  /** What waits to be sent. */
  queue_(): Queued[];
  /** Characters stand for bytes: the bound needs no exact figure. */
  hasRoom_(share?: number): boolean;
  /** Queues a frame of the session stream; its `id`. */
  push_(type: string, about: About, payload?: unknown, more?: Partial<Queued>): string;
  /** Queues a frame without a place; its `id`. */
  pushUrgent_(type: string, payload: object): string;
  sendCancel_(call: Call): void;
  /** A call ends by a fault of this side. */
  fault_(
    call: Call,
    code: string,
    retry: Fault["retry"],
    outcome?: Reply["outcome"],
    message?: string,
  ): false;
  /** The session is lost; where it ends here every call has its outcome. */
  lose_(isOver?: boolean): void;
}

/** A call ends, and its caller is told; false, as nothing of it is to leave. */
export type Settle = (
  call: Call,
  kind: Reply["kind"],
  payload?: unknown,
  outcome?: Reply["outcome"],
) => false;

/** What a frame is about. */
export type About = Pick<Head, "re" | "ch" | "key">;
