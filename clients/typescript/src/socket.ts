/** What the client needs of a WebSocket: that of browsers, of Node 22, or of the package `ws`. */
export interface Socket {
  readonly protocol: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export type SocketClass = new (url: string, protocols: string[]) => Socket;

/** How long to wait before each attempt to connect again, and when to give up (section 9). */
export interface Backoff {
  /** The first delay in milliseconds; each further one is twice as long. */
  baseMs: number;
  /** The longest delay, before jitter. */
  maxMs: number;
  /** Attempts in a row before the client gives up. */
  attempts: number;
  /** How long a connection must live for the count to return to zero. */
  resetMs: number;
}

export const BACKOFF: Backoff = { baseMs: 1000, maxMs: 30_000, attempts: 12, resetMs: 30_000 };

const HOUR = 3_600_000;

/** The delay before the next attempt, after `failed` in a row; a window of the server counts. */
export function delay(backoff: Backoff, failed: number, window?: [number, number]): number {
  const base = Math.min(backoff.baseMs * 2 ** failed, backoff.maxMs);
  const [low, high] = window ?? [base / 2, base * 1.5];
  // A server that names a year is not obeyed for longer than an hour.
  const first = Math.min(low, HOUR);
  return first + (Math.min(high, HOUR) - first) * Math.random();
}

/** A UUID of version 7. It needs no secure origin, as `randomUUID` does. */
export function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const time = Date.now().toString(16).padStart(12, "0");
  const variant = "89ab"[(bytes[8] as number) & 3];
  return [
    time.slice(0, 8),
    time.slice(8),
    `7${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join("-");
}

/** A clock that never goes back, and that counts the time of a sleep. */
export function clock(): () => number {
  let slept = 0;
  let ticks = performance.now();
  let wall = Date.now();
  return () => {
    const jump = Date.now() - wall - (performance.now() - ticks);
    // Some clocks stop while the machine sleeps. Smaller differences are of the wall clock.
    if (jump > 1000) slept += jump;
    ticks = performance.now();
    wall = Date.now();
    return Math.floor(ticks + slept);
  };
}
