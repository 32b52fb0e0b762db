/** One thing to give, and the position that counts as consumed when the next one is asked for. */
interface Entry<T> {
  item?: T | undefined;
  off?: number | undefined;
}

/** A queue between the client and a `for await`. Whoever fills it bounds it. */
export class Feed<T> implements AsyncIterableIterator<T> {
  /** What waits to be read. */
  entries: Entry<T>[] = [];
  #end?: { error?: unknown };
  #wake = () => {};
  #consumed: (off: number | undefined) => void;
  #left: () => void;
  #run: AsyncGenerator<T, undefined>;

  constructor(consumed: (off: number | undefined) => void, left: () => void) {
    this.#consumed = consumed;
    this.#left = left;
    this.#run = this.#give();
  }

  /** Without an item only the position counts, when everything before it was consumed. */
  push(item: T | undefined, off?: number): void {
    if (!this.#end) this.entries.push({ item, off });
    this.#wake();
  }

  /** Nothing follows what was pushed. */
  finish(error?: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }

  next(): Promise<IteratorResult<T>> {
    return this.#run.next();
  }

  return(): Promise<IteratorResult<T>> {
    if (!this.#end) this.#left();
    this.entries = [];
    this.#end = {};
    this.#wake();
    return this.#run.return(undefined);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async *#give(): AsyncGenerator<T, undefined> {
    for (;;) {
      for (let entry; (entry = this.entries.shift()); ) {
        if (entry.item !== undefined) yield entry.item;
        this.#consumed(entry.off);
      }
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
