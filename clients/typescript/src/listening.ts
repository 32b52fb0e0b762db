import type { Done, Fault, Gap, Position } from "./wire.js";

/** What is listened to, and where that stands. Whoever subscribes keeps more with it. */
export interface Listened extends Listener {
  ch_?: string;
  /** The last `$sub`. */
  sub_?: string | undefined;
  /** Its answer came, and it is no refusal. */
  isLive_?: boolean;
  /** The last event taken; absent where there are no positions. */
  at_?: Position | undefined;
  /** What was consumed: how far the server was told, and how far it is to be told. */
  told_?: number | undefined;
  owed_?: number;
  /** What came before the answer to the `$sub`. */
  snapshot_?: Item | undefined;
  /** A connection was lost before the answer came. */
  hasMissed_?: unknown;
}

/** What an application reads, but for an event's `type`, which names its channel too. */
export type Item =
  | { type: "$snapshot"; payload: any }
  | { type: "$live"; off: number }
  | ({ type: "$gap" } & Gap)
  | { type: string; payload: any; off: number | undefined };

/** Whom a session tells of a channel. Like every listener, it asks the session for nothing then. */
export interface Listener {
  /** The subscription stands, perhaps once more; `snapshot` is what it starts from. */
  stands_(done: Done, snapshot?: Item): void;
  /** Something happened, at a position where there is one; a code to close with, or nothing. */
  tell_(item: Item, off?: number): number | void;
  /** It was refused, or ended. */
  fail_(fault: Fault): void;
}
