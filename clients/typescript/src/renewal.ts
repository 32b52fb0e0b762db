import type { Inside } from "./client.js";
import type { Hooks, Part } from "./events.js";
import type { Session } from "./core.js";
import type { Envelope, Fault } from "./wire.js";

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
export const renewal: Part = (session, client) => new Renewing(session, client);

/** Other credentials for a living connection (docs/protocol.md, section 11). */
export class Renewing implements Hooks {
  #session: Session;
  #client: Inside | undefined;
  /** When to ask the application for them. */
  #due = Infinity;
  #isWanted = false;
  /** The `$auth` that is not answered. */
  #sent = "";
  #notBefore = 0;
  #connections = 0;

  constructor(session: Session, client?: Inside) {
    this.#session = session;
    this.#client = client;
  }

  /** Other credentials of the same principal; without any, asks for them again later. */
  auth(token?: string): boolean {
    if (!this.#session.isOpen_() || this.#sent) return false;
    if (token === undefined) this.#again();
    else {
      this.#sent = this.#session.pushUrgent_("$auth", { token });
      this.#isWanted = false;
      this.#due = Infinity;
      this.#notBefore = this.#session.now_() + SPACING_MS;
    }
    return true;
  }

  welcome_({ auth }: { auth?: { expires_in_ms?: number } }): void {
    this.#connections++;
    this.#isWanted = false;
    this.#sent = "";
    this.#notBefore = 0;
    this.#learned(auth?.expires_in_ms);
  }

  receive_({ type, re, payload }: Envelope): boolean {
    const isOurs = re !== undefined && re === this.#sent;
    if (type === "$auth_required") {
      // Those that are on their way, or that the application is asked for, will do.
      if (this.#sent || this.#isWanted) return true;
      this.#due = Math.min(this.#due, Math.max(this.#notBefore, this.#session.now_()));
      this.timeout_();
    } else if (type === "$auth_ok") {
      if (!isOurs) return true;
      this.#sent = "";
      this.#learned(payload?.expires_in_ms);
      this.told_("renewed");
    } else {
      if (type !== "$err" || !isOurs) return false;
      this.#sent = "";
      this.#again(payload.after_ms);
      // Nor earlier where the server says meanwhile that they have expired.
      this.#notBefore = this.#due;
      this.told_("not_renewed", payload);
    }
    return true;
  }

  due_(): number {
    return this.#session.isOpen_() ? this.#due : Infinity;
  }

  timeout_(): void {
    if (!this.#session.isOpen_() || this.#due > this.#session.now_()) return;
    this.#due = Infinity;
    this.#isWanted = true;
    void this.ask_();
  }

  /** How the last `$auth` was answered. */
  told_(_how: "renewed" | "not_renewed", _fault?: Fault): void {}

  /** Asks the application for others, as soon as the session is done with its input. */
  async ask_(): Promise<void> {
    const { token } = this.#client?.options_ ?? {};
    // Without a function to ask, those that there are expire.
    if (typeof token !== "function") return;
    const connection = this.#connections;
    let given: string | undefined;
    try {
      await undefined;
      given = await token();
    } catch {
      // Those before still count: it is asked again later.
    }
    // Asked over a connection that is over: the next hello brings its own.
    if (connection !== this.#connections || this.#client?.at_() !== this.#session) return;
    this.auth(given);
    this.#client?.pump_();
  }

  /** How long ours last; without a number they do not expire. */
  #learned(life?: number | null): void {
    const early = Math.min(Math.max(EARLY_MS, (life ?? 0) / 10), (life ?? 0) / 2);
    const due = life == null ? Infinity : this.#session.now_() + life - early;
    this.#due = Math.max(this.#notBefore, due);
  }

  /** Asks the application once more, in a while. */
  #again(after = 0): void {
    this.#isWanted = false;
    this.#due = this.#session.now_() + Math.max(AGAIN_MS, after);
  }
}
