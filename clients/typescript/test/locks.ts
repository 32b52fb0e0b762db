/** Web Locks for tests: exclusive locks by name, in the order in which they were asked for. */
export class Locks {
  #queues = new Map<string, (() => void)[]>();

  async request(
    name: string,
    { signal }: { signal?: AbortSignal },
    run: () => Promise<unknown>,
  ): Promise<unknown> {
    signal?.throwIfAborted();
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    await new Promise<void>((resolve, reject) => {
      const wait = () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const abort = () => {
        queue.splice(queue.indexOf(wait), 1);
        reject(signal?.reason);
      };
      queue.push(wait);
      if (queue[0] === wait) wait();
      else signal?.addEventListener("abort", abort);
    });
    try {
      return await run();
    } finally {
      queue.shift();
      queue[0]?.();
    }
  }

  /** Everything that this tab holds or waits for is free, as when it crashes. */
  tab(): LockManager & { crash(): void } {
    let crash = () => {};
    const over = new Promise<void>((resolve) => (crash = resolve));
    const request = (name: string, options: object, run: () => Promise<unknown>) =>
      this.request(name, options, () => Promise.race([run(), over]));
    return { request, crash: () => crash() } as any;
  }
}
