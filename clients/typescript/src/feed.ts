/** A queue between the client and a `for await`. Whoever fills it bounds it. */
export interface Feed<T> extends AsyncIterableIterator<T> {
  /** What waits to be read: an item, and the position that counts when the next is asked for. */
  readonly entries_: [item?: T, off?: number][];
  /** Without an item only the position counts, when everything before it was consumed. */
  push_(item: T | undefined, off?: number): void;
  /** Nothing follows what was pushed. */
  finish_(error?: unknown): void;
  return(): Promise<IteratorResult<T>>;
}

/** `consumed` is told each position, `left` that the loop was left. */
export function feed<T>(consumed: (off: number | undefined) => void, left: () => void): Feed<T> {
  const entries: [item?: T, off?: number][] = [];
  let end: { error?: unknown } | undefined;
  let wake = () => {};
  const finish = (error?: unknown) => {
    end ??= { error };
    wake();
  };
  async function* give(): AsyncGenerator<T, undefined> {
    for (;;) {
      for (let entry; (entry = entries.shift()); ) {
        if (entry[0] !== undefined) yield entry[0];
        consumed(entry[1]);
      }
      if (end?.error) throw end.error;
      if (end) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }
  const run = give();
  const over = run.return;
  return Object.assign(run as AsyncIterableIterator<T>, {
    entries_: entries,
    push_(item: T | undefined, off?: number) {
      if (!end) entries.push([item, off]);
      wake();
    },
    finish_: finish,
    return() {
      if (!end) left();
      entries.length = 0;
      finish();
      return over.call(run, undefined);
    },
  });
}
