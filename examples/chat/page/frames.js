// The small parts of the wire protocol, docs/protocol.md: ids, addresses, close codes, pacing.

/** A UUID of version 7: rises with time, unique per message. */
export function messageId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let now = Date.now();
  for (let i = 5; i >= 0; i -= 1) {
    bytes[i] = now % 256;
    now = Math.floor(now / 256);
  }
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const cuts = [0, 8, 12, 16, 20, 32];
  return cuts.slice(1).map((end, i) => hex.slice(cuts[i], end)).join("-");
}

/** The one spelling of a channel's address (section 3): `room/caf%C3%A9`. */
export function address(kind, ...fields) {
  const strict = (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  const field = (text) => encodeURIComponent(text).replace(/[!'()*]/g, strict);
  return [kind, ...fields.map(field)].join("/");
}

/** What a client does after a close code (section 10): the range alone decides. */
export function advice(code) {
  if ([1001, 1005, 1006, 1011, 1012, 1013].includes(code)) return "resume";
  if (code >= 4000 && code < 4100) return "resume";
  if (code >= 4100 && code < 4200) return "fresh_session";
  if (code >= 4200 && code < 4300) return "new_credentials";
  if (code >= 4300 && code < 4500) return "delay";
  return "stop";
}

/** The delay before an attempt (section 9), in milliseconds; the first attempt is number 1. */
export function backoff(attempt) {
  const seconds = Math.min(30, 2 ** (attempt - 1));
  return seconds * 1000 * (0.5 + Math.random());
}

/** Counts messages against the rate that the welcome announced (section 12). */
export class Pace {
  #perMs;
  #burst;
  #tokens;
  #at = performance.now();

  constructor({ per_s: perSecond, burst }) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    // The hello took one.
    this.#tokens = burst - 1;
  }

  /** A message leaves. */
  spend() {
    this.#refill();
    this.#tokens -= 1;
  }

  /** How long a message that can wait should wait, in milliseconds. */
  delay() {
    this.#refill();
    // Some are left for what cannot wait: acknowledgements and pongs.
    const reserve = Math.min(16, this.#burst / 2);
    return Math.max(0, (reserve + 1 - this.#tokens) / this.#perMs);
  }

  #refill() {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
