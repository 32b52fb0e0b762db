import type { Call, Closed, Config, Event, Hooks, Queued, Reply } from "./events.js";
import { Listening } from "./listening.js";
import { Outbox } from "./outbox.js";
import { SHAPES, advice, json } from "./wire.js";
import type { Envelope, Fault, Format, Head, Outgoing, Position } from "./wire.js";

const HELLO_MS = 5000;
/** The server gets this long after a sleep, or when there is a reason to doubt. */
const PROBE_MS = 3000;
/** A timer that is this late was asleep. */
const ASLEEP_MS = 5000;
/** A bare `$ack` follows after this long, or after this many frames. */
const ACK_MS = 250;
const ACK_FRAMES = 32;
/** A header's share of a message's size, generously. */
export const HEAD = 512;

/**
 * The client's end of the conversation. Pure: no socket, no clock, no randomness, no timer. Say the
 * time with `at`, give an input, then poll `transmit`, `event` and `due` until each is empty.
 */
export class Session {
  now = 0;
  version = 0;
  /** Bytes of the largest message that the server takes. */
  maxFrame = 65_536;
  readonly outbox = new Outbox();
  readonly parts: Hooks[];
  /** What waits for its answer, by `id`. */
  readonly calls = new Map<string, Call>();
  readonly format: Format;
  readonly #listening = new Listening(this);
  #config: Config;
  #state: "idle" | "greeting" | "open" = "idle";
  #closed: Closed | undefined;
  #urgent: Outgoing[] = [];
  #events: Event[] = [];
  #grant: { session: string; ticket: string } | undefined;
  /** What was received of the server's session stream, and what was said of that (section 6). */
  #recv = 0;
  #told = 0;
  #owed = 0;
  #ackDue = Infinity;
  /** Until when the server may be silent, and whether it was asked (section 9). */
  #patience = Infinity;
  #isAsked = false;
  #heartbeat = { interval_ms: 0, timeout_ms: 0 };
  /** How fast messages may leave: the time at which all that left is paid for (section 12). */
  #paid = 0;
  #perMessage = 0;
  #ahead = 0;

  constructor(config: Config) {
    this.#config = config;
    this.format = config.format ?? json;
    this.parts = (config.parts ?? []).map((make) => make(this));
  }

  at(now: number): this {
    this.now = Math.max(now, this.now);
    return this;
  }

  // Inputs.

  /** There is a connection: the hello leaves, with what `more` adds to it. */
  connect(more: object = {}): void {
    const { protocol, versions, maxFrame = 65_536, window = 256 } = this.#config;
    const resume = this.#grant && { ...this.#grant, recv: this.#recv };
    const limits = { max_frame: maxFrame, window };
    this.#settleAck();
    for (const part of this.parts) part.connect?.();
    this.#state = "greeting";
    this.#patience = this.now + HELLO_MS;
    this.pushUrgent("$hello", { protocol, version: versions, ...more, resume, limits });
  }

  /** The connection is over below the session; without a code it was lost. */
  disconnected(code = 0, reason = ""): void {
    this.#urgent = [];
    if (this.isConnected()) {
      this.#end({ by: code ? "peer" : "network", code: code || 1006, reason });
    }
  }

  /** A message arrived; without an envelope there is the code to close with. */
  receive(it: Envelope | number = 4500): void {
    if (!this.isConnected()) return;
    if (this.isOpen()) this.#patience = this.now + this.#heartbeat.interval_ms;
    this.#isAsked = false;
    const code = Object(it) === it ? this.#receive(it as Envelope) : it;
    if (code) this.close(code as number, "the server broke the protocol", "session");
  }

  /** Ends the connection, and says so. */
  close(code: number, reason: string, by: Closed["by"] = "application"): void {
    if (!this.isConnected()) return;
    this.pushUrgent("$close", { code, reason });
    this.#end({ by, code, reason });
  }

  /** False where there is no room. */
  call(call: Call): boolean {
    if (!this.outbox.hasRoom()) return false;
    const { type, body, more } = call;
    const head = this.#head(type, { ch: more.ch, key: more.key } as Partial<Head>);
    call.id = head.id;
    this.calls.set(call.id, call);
    this.outbox.queue.push({ head, body, call });
    return true;
  }

  cancel(call: Call): void {
    if (!this.has(call)) return;
    if (call.isSent) this.sendCancel(call);
    else this.fault(call, "cancelled", "safe", "cancelled before it was sent");
  }

  subscribe(ch: string, since?: Position): boolean {
    return this.#listening.subscribe(ch, since);
  }

  unsubscribe(ch: string): boolean {
    return this.#listening.unsubscribe(ch);
  }

  consumed(ch: string, off: number): void {
    this.#listening.consumed(ch, off);
  }

  /** Asks whether the server still lives, without waiting for the heartbeat. */
  probe(): void {
    if (this.isOpen() && this.#patience > this.now + PROBE_MS) this.#ping(PROBE_MS);
  }

  /** Does what is due. */
  timeout(): void {
    const { now } = this;
    const late = [...this.calls.values()].filter((call) => call.deadline <= now);
    for (const call of late.sort((a, b) => a.deadline - b.deadline)) {
      if (call.isSent) this.sendCancel(call);
      this.settle(call, "timeout");
    }
    if (this.isConnected() && this.#patience <= now) {
      const hasSlept = now - this.#patience > ASLEEP_MS;
      if (!this.isOpen()) this.close(4303, "the handshake took too long", "session");
      else if (!this.#isAsked || hasSlept) {
        this.#ping(hasSlept ? PROBE_MS : this.#heartbeat.timeout_ms);
      } else this.close(4002, "nothing was heard for too long", "session");
    }
    for (const part of this.parts) part.timeout?.();
  }

  // Outputs.

  /** The next message to send. */
  transmit(): Outgoing | undefined {
    const frame = this.#nextUrgent() ?? this.#nextInTurn();
    if (!frame) return;
    const { head, body } = frame;
    this.#paid = Math.max(this.#paid, this.now) + this.#perMessage;
    // What was received rides on what leaves.
    if (head.type === "$hello" || this.#recv <= this.#told) return { head: { ...head }, body };
    this.#settleAck();
    return { head: { ...head, ack: this.#recv }, body };
  }

  /** The next thing to tell the application. */
  event(): Event | undefined {
    const closed = this.#closed;
    if (this.#events.length || !closed || this.#urgent.length) return this.#events.shift();
    this.#closed = undefined;
    if (/^[sf]/.test(advice(closed.code))) this.#lose();
    // What the end of the session settles is told after it.
    return { on: "closed", closed };
  }

  /** When `timeout` is due. */
  due(): number {
    const dues = [...this.calls.values()].map((call) => call.deadline);
    for (const part of this.parts) dues.push(part.due?.() ?? Infinity);
    if (this.isConnected()) dues.push(this.#patience);
    if (this.isOpen()) {
      // What is due already waits for the socket alone.
      const pace = this.outbox.hasNext() ? this.#paceDue() : Infinity;
      const waits = [this.#ackDue, this.#listening.due, pace];
      dues.push(...waits.filter((time) => time > this.now));
    }
    return Math.min(...dues, Infinity);
  }

  isOpen(): boolean {
    return this.#state === "open";
  }

  isConnected(): boolean {
    return this.#state !== "idle";
  }

  // What its parts use.

  tell(event: Event): void {
    this.#events.push(event);
  }

  /** Queues a frame of the session stream; its `id`. */
  push(type: string, about: Partial<Head>, payload?: unknown, more?: Partial<Queued>): string {
    const head = this.#head(type, about);
    const frame = { head, body: this.format.body(payload), ...more };
    if (this.outbox.hasRoom(2)) this.outbox.queue.push(frame);
    else {
      // A session that leaves out a frame cannot go on: the next one begins anew.
      this.#grant = undefined;
      this.close(4003, "nothing was acknowledged for too long", "session");
    }
    return head.id;
  }

  /** Queues a frame without a place; its `id`. */
  pushUrgent(type: string, payload: object): string {
    const head = this.#head(type);
    this.#urgent.push({ head, body: this.format.body(payload) });
    return head.id;
  }

  /** Whether the call waits for its answer. */
  has(call: Call): boolean {
    return this.calls.get(call.id) === call;
  }

  sendCancel(call: Call): void {
    if (!call.isCancelled) this.push("$cancel", { re: call.id });
    call.isCancelled = true;
  }

  settle(call: Call, kind: Reply["kind"], payload?: unknown, outcome = call.outcome): false {
    const reply = { kind, outcome, payload };
    if (this.calls.delete(call.id)) this.tell({ on: "answered", call, reply });
    if (!call.isSent) this.outbox.withdraw(call);
    return false;
  }

  /** A call ends by a fault of this side. */
  fault(call: Call, code: string, retry: Fault["retry"], message: string, outcome = call.outcome) {
    return this.settle(call, "fault", { code, message, retry }, outcome);
  }

  /** It ends here: every call has its outcome. */
  abandon(): void {
    for (const call of this.calls.values()) this.settle(call, "lost");
  }

  // Receiving. Each returns the code to close with, or nothing.

  #receive(it: Envelope): number | void {
    const { type, seq, ack, ch, re } = it;
    const isGreeting = /^\$(welcome|reject)$/.test(type);
    if (!this.isOpen() && !isGreeting && type !== "$close") return 4501;
    if (this.isOpen() && (isGreeting || type === "$hello")) return 4502;
    if (ack !== undefined && !this.outbox.acked(ack)) return 4006;
    for (const part of this.parts) part.start?.();
    const isMessage = type[0] !== "$";
    const shape = SHAPES[type];
    const isPlaced = isMessage ? re || !ch : shape ? shape.startsWith("Nseq") : seq;
    if (isPlaced) {
      if (seq === undefined) return 4500;
      if (seq > this.#recv + 1) return 4006;
      this.#ackDue =
        ++this.#owed < ACK_FRAMES ? Math.min(this.#ackDue, this.now + ACK_MS) : -Infinity;
      // A duplicate is acknowledged once more.
      if (seq <= this.#recv) return void (this.#told = 0);
      this.#recv = seq;
    }
    const call = this.calls.get(re as string);
    if (this.parts.some((part) => part.receive?.(it)) || call?.hear?.(it)) return;
    return isMessage ? this.#onMessage(it, call) : this.#onControl(it, call);
  }

  #onControl(it: Envelope, call?: Call): number | void {
    const { type, payload, ch = "", off = 0 } = it;
    switch (type) {
      case "$welcome":
        return this.#onWelcome(payload);
      case "$reject": {
        const { message, after_ms: after } = payload.error;
        this.tell({ on: "rejected", reject: payload });
        this.#end({ by: "peer", code: payload.close, reason: message, ...window([after, after]) });
        break;
      }
      case "$close": {
        const { code, reason, retry_after_ms: retry } = payload;
        this.#end({ by: "peer", code, reason, ...window(retry) });
        break;
      }
      case "$ping":
        // Pongs are owed by the server's pings: one that reads none gets no more.
        if (this.#urgent.length > 1024) return 4003;
        this.pushUrgent("$pong", { t: payload.t, now: this.now });
        break;
      case "$ok":
      case "$err":
        if (!call) this.#listening.onAnswer(it);
        else if (type === "$ok") this.settle(call, "published", payload, "Processed");
        else {
          const outcome = /never|safe|after/.test(payload.retry) ? "NotProcessed" : "Unknown";
          this.settle(call, "fault", payload, outcome);
        }
        break;
      case "$unsubbed":
        this.#listening.onUnsubbed(ch, { ...payload, message: payload.reason });
        break;
      case "$live":
        this.#listening.onLive(ch, off);
        break;
      case "$gap":
        this.#listening.onGap(ch, payload);
    }
  }

  #onMessage(it: Envelope, call?: Call): number | void {
    const { id, re, ch, type, payload } = it;
    if (ch) {
      const isSound = re ? this.#listening.onSnapshot(it) : this.#listening.onEvent(it);
      return isSound ? undefined : 4500;
    }
    if (!re) {
      // Serving is a part.
      const message = `no request \`${type}\``;
      this.push("$err", { re: id }, { code: "unimplemented", message, retry: "never" });
    } else if (call) {
      for (const kind of ["ok", "err"] as const) {
        if (type === `${call.type}.${kind}`) {
          return void this.settle(call, kind, payload, "Processed");
        }
      }
      const message = `\`${call.type}\` was answered with a \`${type}\``;
      this.fault(call, "internal", "unknown", message, "Processed");
    }
  }

  #onWelcome(welcome: any): number | void {
    const { version, session, heartbeat, limits, recv } = welcome;
    const [min, max] = this.#config.versions;
    const grant = this.#grant;
    if (version < min || version > max) return 4500;
    this.#state = "open";
    this.#heartbeat = heartbeat;
    this.#patience = this.now + heartbeat.interval_ms;
    this.maxFrame = limits.max_frame;
    const { per_s, burst } = limits.rate;
    this.#perMessage = 1000 / Math.max(1, per_s);
    // A quarter in reserve: on their way messages bunch, and the server counts arrivals.
    this.#ahead = (Math.max(1, burst - Math.ceil(burst / 4)) - 1) * this.#perMessage;
    // The server counted the hello.
    this.#paid = this.now + this.#perMessage;
    this.#grant = undefined;
    if (!session.resumed) this.#lose();
    else if (!grant || version !== this.version) return 4500;
    else if (!this.outbox.replay(recv)) return 4006;
    else {
      this.#settleAck();
      this.#listening.resumed();
    }
    this.version = version;
    for (const part of this.parts) part.welcome?.(welcome);
    this.#grant = { session: session.id, ticket: session.ticket };
    this.tell({ on: "welcome", welcome });
    this.#listening.askAgain();
  }

  /** The session is lost: what left has its outcome now, and positions start anew. */
  #lose(): void {
    this.#grant = undefined;
    this.outbox.restart();
    this.#recv = 0;
    this.#settleAck();
    for (const call of this.calls.values()) {
      if (call.isSent) this.settle(call, "lost");
    }
    for (const part of this.parts) part.lost?.();
    this.#listening.lost();
  }

  #end(closed: Closed): void {
    this.#closed = closed;
    this.#state = "idle";
  }

  /** Everything was said, with an `ack` or by the hello of a resume. */
  #settleAck(): void {
    this.#told = this.#recv;
    this.#owed = 0;
    this.#ackDue = Infinity;
  }

  // Sending.

  #nextUrgent(): Outgoing | undefined {
    const frame = this.#urgent.shift();
    const isOwed = Math.min(this.#ackDue, this.#listening.due) <= this.now;
    if (frame || !this.isOpen() || !isOwed) return frame;
    return { head: this.#head("$ack"), body: this.format.body({ ch: this.#listening.tell() }) };
  }

  #nextInTurn(): Outgoing | undefined {
    if (!this.isOpen() || this.#paceDue() > this.now) return;
    const { outbox } = this;
    let frame = outbox.again();
    while (!frame && (frame = outbox.next())) {
      outbox.take(frame);
      if (this.#isReady(frame)) outbox.place(frame);
      else frame = undefined;
    }
    return frame;
  }

  /** When the next message may leave. */
  #paceDue(): number {
    return Math.ceil(this.#paid - this.#ahead);
  }

  /** The last check before a frame leaves: false when its call was settled instead. */
  #isReady({ head, call, check }: Queued): boolean {
    if (!call) return true;
    if (!this.has(call)) return false;
    if (head.re) return check?.() ?? true;
    const { since = 0, removed = Infinity } = call.more;
    const { version, now } = this;
    if (version < since || version >= removed) {
      return this.settle(call, "unsupported", version);
    }
    if (call.size + HEAD > this.maxFrame) {
      return this.fault(call, "too_large", "never", "larger than the server takes");
    }
    if (call.deadline <= now) return this.settle(call, "timeout");
    call.isSent = true;
    if (call.deadline < Infinity) head.ttl = Math.ceil(call.deadline - now);
    return true;
  }

  #ping(patience: number): void {
    this.#isAsked = true;
    this.#patience = this.now + patience;
    this.pushUrgent("$ping", { t: this.now });
  }

  #head(type: string, about?: Partial<Head>): Head {
    return { type, id: this.#config.id(), ts: this.now, ...about };
  }
}

function window(retry: any): { retry?: [number, number] } {
  const isWindow = Array.isArray(retry) && retry.length === 2 && retry.every((it) => it >= 0);
  return isWindow ? { retry: [retry[0], Math.max(retry[0], retry[1])] } : {};
}
