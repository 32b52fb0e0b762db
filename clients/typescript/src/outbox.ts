import type { Call } from "./events.js";
import type { Head, Outgoing } from "./wire.js";

/** The bounds of what waits and of what is not acknowledged (docs/protocol.md, section 12). */
const FRAMES = 1024;
const BYTES = 262_144;
/** A header's share of a message's size, roughly. */
const HEAD = 160;

/** A frame of the session stream. */
export interface Queued extends Outgoing {
  /** The call that takes this frame along when it is withdrawn. */
  call?: Call;
  /** The number of a `$credit`. */
  n?: number;
}

/**
 * What waits to be sent, and what was sent and is not acknowledged (section 6). A place is given
 * when a frame leaves, so that a request whose time ran out while it waited leaves no hole.
 */
export class Outbox {
  #queue: Queued[] = [];
  #sent: Queued[] = [];
  #replayed = 0;
  #lastSeq = 0;
  #bytes = 0;

  hasRoom(share = 1): boolean {
    return (
      this.#queue.length + this.#sent.length < FRAMES * share && this.#bytes < BYTES * share
    );
  }

  push(frame: Queued): void {
    this.#bytes += size(frame);
    this.#queue.push(frame);
  }

  /** Whether anything may leave now. */
  hasNext(): boolean {
    return this.#replayed < this.#sent.length || this.#next() !== undefined;
  }

  /** A frame that was sent on a lost connection. */
  again(): Queued | undefined {
    return this.#sent[this.#replayed] && this.#sent[this.#replayed++];
  }

  /** The next frame without a place: give it one with `place`, or drop it. */
  take(): Queued | undefined {
    const frame = this.#next();
    if (frame) {
      this.#queue.splice(this.#queue.indexOf(frame), 1);
      this.#bytes -= size(frame);
    }
    return frame;
  }

  place(frame: Queued): void {
    frame.head.seq = ++this.#lastSeq;
    this.#bytes += size(frame);
    this.#replayed = this.#sent.push(frame);
  }

  /** The server has everything up to `seq`; false when that was never sent. */
  acked(seq: number): boolean {
    if (seq > this.#lastSeq) return false;
    while (this.#sent[0] && (this.#sent[0].head as { seq: number }).seq <= seq) {
      this.#bytes -= size(this.#sent.shift() as Queued);
      this.#replayed = Math.max(0, this.#replayed - 1);
    }
    return true;
  }

  /** Whether everything after `seq` is still kept. */
  canReplayAfter(seq: number): boolean {
    return seq >= this.#lastSeq - this.#sent.length && seq <= this.#lastSeq;
  }

  /** The connection was lost. */
  rewind(): void {
    this.#replayed = 0;
  }

  /** The session is lost: of what waits only calls still mean anything. */
  restart(): void {
    this.#sent = [];
    this.#replayed = this.#lastSeq = 0;
    this.#keep((frame) => frame.call !== undefined);
  }

  /** Drops what belongs to a call that will not leave. */
  withdraw(call: Call): void {
    this.#keep((frame) => frame.call !== call);
  }

  /** Credit that waits becomes more; false when none does. */
  addCredit(call: Call, n: number): boolean {
    const credit = this.#queue.find((frame) => frame.call === call && frame.n);
    if (credit) credit.body = JSON.stringify({ n: (credit.n = (credit.n as number) + n) });
    return !!credit;
  }

  /** While the server acknowledges too little, only what may end a request passes. */
  #next(): Queued | undefined {
    const passes = ({ type }: Head) => type === "$credit" || type === "$cancel";
    return this.#sent.length < FRAMES
      ? this.#queue[0]
      : this.#queue.find((frame) => passes(frame.head));
  }

  #keep(isKept: (frame: Queued) => boolean): void {
    this.#queue = this.#queue.filter(isKept);
    this.#bytes = [...this.#sent, ...this.#queue].reduce((sum, frame) => sum + size(frame), 0);
  }
}

/** Characters stand for bytes here: the bound needs no exact figure. */
function size(frame: Queued): number {
  return HEAD + frame.body.length;
}
