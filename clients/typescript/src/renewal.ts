import type { Client } from "./client.js";
import type { Hooks, Part } from "./events.js";
import type { Session } from "./session.js";
import type { Envelope } from "./wire.js";

/** How long before the end credentials are renewed; a tenth of their time if that is more. */
const EARLY_MS = 30_000;
/** Between one `$auth` and the next, whatever the server says. */
const SPACING_MS = 2000;
/** After a refusal. */
const AGAIN_MS = 5000;

/**
 * Renews credentials over the living connection, where the option `token` is a function. Without
 * this part the server closes with 4200, and the client comes back with new ones.
 */
export const renewal: Part = (session) => new Renewing(session);

/** Other credentials for a living connection (docs/protocol.md, section 11). */
export class Renewing implements Hooks {
  #session: Session;
  /** When to ask the application for them. */
  #due = Infinity;
  #isWanted = false;
  /** The `$auth` that is not answered. */
  #sent = "";
  #notBefore = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Other credentials of the same principal; without any, asks for them again later. */
  auth(token?: string): boolean {
    if (!this.#session.isOpen() || this.#sent) return false;
    if (token === undefined) this.#again();
    else {
      this.#sent = this.#session.pushUrgent("$auth", { token });
      this.#isWanted = false;
      this.#due = Infinity;
      this.#notBefore = this.#session.now + SPACING_MS;
    }
    return true;
  }

  connect(): void {
    this.#due = Infinity;
    this.#isWanted = false;
    this.#sent = "";
    this.#notBefore = 0;
  }

  welcome({ auth }: { auth?: { expires_in_ms?: number } }): void {
    this.#learned(auth?.expires_in_ms);
  }

  receive({ type, re, payload }: Envelope): boolean {
    const isOurs = re !== undefined && re === this.#sent;
    if (type === "$auth_required") {
      // Those that are on their way, or that the application is asked for, will do.
      if (this.#sent || this.#isWanted) return true;
      this.#due = Math.min(this.#due, Math.max(this.#notBefore, this.#session.now));
      this.timeout();
    } else if (type === "$auth_ok") {
      if (!isOurs) return true;
      this.#sent = "";
      this.#learned(payload?.expires_in_ms);
      this.#session.tell({ on: "renewed" });
    } else {
      if (type !== "$err" || !isOurs) return false;
      this.#sent = "";
      this.#again(payload.after_ms);
      this.#session.tell({ on: "not_renewed", fault: payload });
    }
    return true;
  }

  due(): number {
    return this.#session.isOpen() ? this.#due : Infinity;
  }

  timeout(): void {
    if (!this.#session.isOpen() || this.#due > this.#session.now) return;
    this.#due = Infinity;
    this.#isWanted = true;
    this.#session.tell({ on: "auth_required" });
  }

  on(event: { on: string }, client: Client<any>): void {
    if (event.on === "auth_required") void this.#ask(client);
  }

  async #ask(client: Client<any>): Promise<void> {
    const { token } = client.options;
    // Without a function to ask, those that there are expire.
    if (typeof token !== "function") return;
    const { attempt } = client;
    let given: string | undefined;
    try {
      given = await token();
    } catch {
      // Those before still count: it is asked again later.
    }
    // Asked over a connection that is over: the next hello brings its own.
    if (attempt !== client.attempt || client.session !== this.#session) return;
    client.at();
    this.auth(given);
    client.pump();
  }

  /** How long ours last; without a number they do not expire. */
  #learned(life?: number | null): void {
    const early = Math.min(Math.max(EARLY_MS, (life ?? 0) / 10), (life ?? 0) / 2);
    const due = life == null ? Infinity : this.#session.now + life - early;
    this.#due = Math.max(this.#notBefore, due);
  }

  /** Asks the application once more, in a while. */
  #again(after = 0): void {
    this.#isWanted = false;
    this.#due = this.#session.now + Math.max(AGAIN_MS, after);
  }
}
