import type { Call, Queued } from "./events.js";

/** The bounds of what waits and of what is not acknowledged (docs/protocol.md, section 12). */
const FRAMES = 1024;
const BYTES = 262_144;
/** A header's share of a message's size, roughly. */
const HEAD = 160;

/**
 * What waits to be sent, and what was sent and is not acknowledged (section 6). A place is given
 * when a frame leaves, so that a request whose time ran out while it waited leaves no hole.
 */
export class Outbox {
  queue: Queued[] = [];
  #sent: Queued[] = [];
  #again: Queued[] = [];
  #lastSeq = 0;
  #acked = 0;

  /** Characters stand for bytes: the bound needs no exact figure. */
  hasRoom(share = 1): boolean {
    let bytes = 0;
    const all = [...this.#sent, ...this.queue];
    for (const { body } of all) bytes += HEAD + body.length;
    return all.length < FRAMES * share && bytes < BYTES * share;
  }

  /**
   * The next frame that may leave; while the server acknowledges too little, only what may end a
   * request passes.
   */
  next(): Queued | undefined {
    return this.#sent.length < FRAMES
      ? this.queue[0]
      : this.queue.find(({ head }) => /^\$c/.test(head.type));
  }

  /** Whether anything may leave now. */
  hasNext(): boolean {
    return !!(this.#again[0] ?? this.next());
  }

  /** A frame that was sent on a lost connection. */
  again(): Queued | undefined {
    return this.#again.shift();
  }

  place(frame: Queued): void {
    frame.head.seq = ++this.#lastSeq;
    this.#sent.push(frame);
  }

  /** The server has everything up to `seq`; false when that was never sent. */
  acked(seq: number): boolean {
    const isLeft = ({ head }: Queued) => (head.seq as number) > seq;
    if (seq > this.#lastSeq) return false;
    this.#acked = Math.max(seq, this.#acked);
    this.#sent = this.#sent.filter(isLeft);
    this.#again = this.#again.filter(isLeft);
    return true;
  }

  /** What is left after the server's `seq` is sent again; false where that is not all. */
  replay(seq: number): boolean {
    const isWhole = seq >= this.#acked && this.acked(seq);
    this.#again = [...this.#sent];
    return isWhole;
  }

  /** The session is lost: of what waits only calls still mean anything. */
  restart(): void {
    this.#sent = [];
    this.#again = [];
    this.#lastSeq = this.#acked = 0;
    this.queue = this.queue.filter((frame) => frame.call);
  }

  /** Drops what belongs to a call that will not leave. */
  withdraw(call: Call): void {
    this.queue = this.queue.filter((frame) => frame.call !== call);
  }

  take(frame: Queued): void {
    this.queue.splice(this.queue.indexOf(frame), 1);
  }
}
