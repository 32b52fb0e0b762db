import type { Port } from "./events.js";
import type { Fault } from "./wire.js";

/** How long before the end credentials are renewed; a tenth of their time if that is more. */
const EARLY_MS = 30_000;
/** Between one `$auth` and the next, whatever the server says. */
const SPACING_MS = 2000;
/** After a refusal. */
const AGAIN_MS = 5000;

/** Other credentials for a living connection (section 11). */
export class Renewing {
  /** When to ask the application for them. */
  due = Infinity;
  #port: Port;
  #isWanted = false;
  /** The `$auth` that is not answered. */
  #sent = "";
  #notBefore = 0;

  constructor(port: Port) {
    this.#port = port;
  }

  get canSend(): boolean {
    return !this.#sent;
  }

  sent(id: string): void {
    this.#sent = id;
    this.#isWanted = false;
    this.due = Infinity;
    this.#notBefore = this.#port.now + SPACING_MS;
  }

  /** How long ours last; without a number they do not expire. */
  learned(life?: number | null): void {
    const early = Math.min(Math.max(EARLY_MS, (life ?? 0) / 10), (life ?? 0) / 2);
    const due = life == null ? Infinity : this.#port.now + life - early;
    this.due = Math.max(this.#notBefore, due);
  }

  check(): void {
    if (this.due > this.#port.now) return;
    this.due = Infinity;
    this.#isWanted = true;
    this.#port.tell({ on: "auth_required" });
  }

  onRequired(): void {
    // Those that are on their way, or that the application is asked for, will do.
    if (this.#sent || this.#isWanted) return;
    this.due = Math.min(this.due, Math.max(this.#notBefore, this.#port.now));
    this.check();
  }

  onOk(re: string, life?: number | null): void {
    if (re !== this.#sent) return;
    this.#sent = "";
    this.learned(life);
    this.#port.tell({ on: "renewed" });
  }

  /** True when the fault is about ours. */
  onErr(re: string, fault: Fault): boolean {
    if (re !== this.#sent) return false;
    this.#sent = "";
    this.again(fault.after_ms);
    this.#port.tell({ on: "not_renewed", fault });
    return true;
  }

  /** Asks the application once more, in a while. */
  again(after = 0): void {
    this.#isWanted = false;
    this.due = this.#port.now + Math.max(AGAIN_MS, after);
  }
}
