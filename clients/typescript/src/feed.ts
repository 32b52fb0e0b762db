/** One thing to give, and the position that counts as consumed when the next one is asked for. */
interface Entry<T> {
  item?: T | undefined;
  off?: number | undefined;
}

/** A queue between the client and a `for await`. Whoever fills it bounds it. */
export class Feed<T> implements AsyncIterableIterator<T> {
  #entries: Entry<T>[] = [];
  #taken?: Entry<T> | undefined;
  #waiting: { resolve: (it: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = [];
  #end?: { error?: unknown };
  #consumed: (off: number | undefined) => void;
  #left: () => void;

  constructor(consumed: (off: number | undefined) => void, left: () => void) {
    this.#consumed = consumed;
    this.#left = left;
  }

  /** How much waits to be read. */
  get length(): number {
    return this.#entries.length;
  }

  /** Without an item only the position counts, when everything before it was consumed. */
  push(item: T | undefined, off?: number): void {
    if (this.#end) return;
    this.#entries.push({ item, off });
    const first = this.#waiting.shift();
    if (first) this.#give().then(first.resolve, first.reject);
  }

  /** Takes the oldest thing back; what stands in its place is `instead`. */
  replaceOldest(instead: (oldest: T | undefined) => T): void {
    const [first] = this.#entries;
    if (first) first.item = instead(first.item);
  }

  /** Takes the second oldest thing back. */
  dropSecond(): void {
    this.#entries.splice(1, 1);
  }

  /** Nothing follows what was pushed. */
  finish(error?: unknown): void {
    this.#end ??= { error };
    for (const { resolve, reject } of this.#waiting.splice(0)) this.#give().then(resolve, reject);
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#taken) this.#consumed(this.#taken.off);
    this.#taken = undefined;
    return this.#give();
  }

  return(): Promise<IteratorResult<T>> {
    if (!this.#end) this.#left();
    this.#entries = [];
    this.#end = {};
    this.finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #give(): Promise<IteratorResult<T>> {
    for (let entry; (entry = this.#entries.shift()); ) {
      if (entry.item !== undefined) {
        this.#taken = entry;
        return { done: false, value: entry.item };
      }
      this.#consumed(entry.off);
    }
    if (!this.#end) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    const { error } = this.#end;
    this.#end = {};
    if (error) throw error;
    return { done: true, value: undefined };
  }
}
