/**
 * What was received of the server's session stream, and when to say so (docs/protocol.md,
 * section 6).
 */
export class Inbox {
  last = 0;
  /** When a bare `$ack` is due; `-Infinity` is now. */
  due = Infinity;
  #told = 0;
  #owed = 0;
  #again = false;

  /** True for the next frame in turn, false for a duplicate, `undefined` where one is missing. */
  receive(seq: number, now: number): boolean | undefined {
    if (seq > this.last + 1) return;
    const isNew = seq > this.last;
    if (isNew) this.last = seq;
    else this.#again = true;
    this.due = ++this.#owed >= 32 ? -Infinity : Math.min(this.due, now + 250);
    return isNew;
  }

  /** What an `ack` has to say now, if there is anything. It counts as said. */
  tell(): number | undefined {
    const isNews = this.last > this.#told || (this.#again && this.last > 0);
    this.settle();
    return isNews ? this.last : undefined;
  }

  /** Everything was said, with an `ack` or by the hello of a resume. */
  settle(): void {
    this.#told = this.last;
    this.#owed = 0;
    this.#again = false;
    this.due = Infinity;
  }
}

/** How fast messages may leave: a bucket of tokens, counted in thousandths (section 12). */
export class Pace {
  #perS: number;
  #full: number;
  #tokens: number;
  #at: number;

  constructor(perS: number, burst: number, now: number) {
    this.#perS = Math.max(1, perS);
    this.#full = this.#tokens = burst * 1000;
    this.#at = now;
  }

  /** When there is a token: now, where there is one. */
  due(now: number): number {
    this.#tokens = Math.min(this.#full, this.#tokens + (now - this.#at) * this.#perS);
    this.#at = now;
    return now + Math.ceil(Math.max(0, 1000 - this.#tokens) / this.#perS);
  }

  /** Takes one; below zero for what cannot wait. */
  spend(now: number): void {
    this.due(now);
    this.#tokens -= 1000;
  }
}

/** Whether the server still lives: anything received counts (section 9). */
export class Alive {
  due: number;
  #asked = false;

  constructor(
    readonly interval: number,
    readonly timeout: number,
    now: number,
  ) {
    this.due = now + interval;
  }

  heard(now: number): void {
    this.due = now + this.interval;
    this.#asked = false;
  }

  /** True when a `$ping` is due, `undefined` when the server is dead. */
  check(now: number): boolean | undefined {
    if (now < this.due) return false;
    const hasSlept = now - this.due > 5000;
    if (this.#asked && !hasSlept) return;
    this.probe(now, hasSlept ? 3000 : this.timeout);
    return true;
  }

  /** A `$ping` leaves: the server has `patience` milliseconds. */
  probe(now: number, patience: number): void {
    this.due = now + patience;
    this.#asked = true;
  }
}
