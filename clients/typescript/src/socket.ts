/** What the client needs of a WebSocket: that of browsers, of Node 22, or of the package `ws`. */
export interface Socket {
  readonly protocol: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  binaryType: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: any): void;
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

/** The delay before the next attempt, after `failed` in a row; a window of the server counts. */
export function delay(
  { baseMs, maxMs }: Backoff,
  failed: number,
  window?: readonly [number, number],
): number {
  const base = Math.min(baseMs * 2 ** failed, maxMs);
  const [low, high] = window || [base / 2, base * 1.5];
  // A server that names a year is not obeyed for longer than an hour.
  return Math.min(low + (high - low) * Math.random(), 3_600_000);
}

/** A UUID of version 7. It needs no secure origin, as `randomUUID` does. */
export function uuid(): string {
  const random = crypto.getRandomValues(new Uint8Array(36));
  const digit = (_: string, at: number) => ((random[at] as number) & 15).toString(16);
  // Until the year 2527 the time has eleven digits.
  return `0${Date.now().toString(16)}-7xxx-8xxx-xxxxxxxxxxxx`
    .replace(/x/g, digit)
    .replace(/.{8}/, "$&-");
}

/** Waits at most as long as a timer can. */
export function timer(run: () => void, ms: number): ReturnType<typeof setTimeout> {
  return setTimeout(run, Math.min(ms, 1e9));
}
