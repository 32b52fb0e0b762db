import type { Call, Closed, Config, Event, Port, Reply } from "./events.js";
import { Alive, Inbox, Pace } from "./flow.js";
import { Listening } from "./listening.js";
import { Outbox, type Queued } from "./outbox.js";
import { Renewing } from "./renewing.js";
import { Serving, type Answer, type Request } from "./serving.js";
import {
  advice,
  byteLength,
  type Envelope,
  type Fault,
  type Head,
  type Outgoing,
  type Position,
} from "./wire.js";

const HELLO_MS = 5000;
/** The server gets this long after a sleep, or when there is a reason to doubt. */
const PROBE_MS = 3000;
/** A header's share of a message's size, generously. */
const HEAD = 512;
/** Frames of the session stream that the server sends, besides messages. */
const PLACED = ["$cancel", "$credit", "$end", "$ok", "$err", "$unsubbed"];
/** Frames without a place, whatever they carry. */
const UNPLACED = [
  ...["$welcome", "$reject", "$ping", "$pong", "$ack", "$close", "$live", "$gap"],
  ...["$auth_ok", "$auth_required"],
];
/** Frames about a channel, and about a message. */
const NEEDS_CH = ["$unsubbed", "$live", "$gap"];
const NEEDS_RE = ["$cancel", "$credit", "$end", "$ok", "$err", "$auth_ok"];

/**
 * The client's end of the conversation. Pure: no socket, no clock, no randomness, no timer. Say the
 * time with `at`, give an input, then poll `transmit`, `event` and `due` until each is empty.
 */
export class Session implements Port {
  now = 0;
  version = 0;
  /** Bytes of the largest message that the server takes. */
  maxFrame = 65_536;
  readonly serving: Serving;
  readonly #listening = new Listening(this);
  #config: Config;
  #state: "idle" | "greeting" | "open" | "closing" | "over" = "idle";
  #until = 0;
  #closed?: Closed;
  #urgent: Outgoing[] = [];
  #outbox = new Outbox();
  #inbox = new Inbox();
  #pace = new Pace(1, 1, 0);
  #alive = new Alive(0, 0, 0);
  #renewing = new Renewing(this);
  #events: Event[] = [];
  #calls = new Map<string, Call>();
  #grant?: { session: string; ticket: string };

  constructor(config: Config) {
    this.#config = config;
    this.serving = new Serving(this, config.serves ?? {});
  }

  at(now: number): this {
    this.now = Math.max(now, this.now);
    return this;
  }

  // Inputs.

  /** There is a connection: the hello leaves, with what `more` adds to it. */
  connect(more: object = {}): void {
    const { protocol, versions, maxFrame = 65_536, window = 256 } = this.#config;
    const resume = this.#grant && { ...this.#grant, recv: this.#inbox.last };
    const limits = { max_frame: maxFrame, window };
    this.#inbox.settle();
    this.#renewing = new Renewing(this);
    this.#state = "greeting";
    this.#until = this.now + HELLO_MS;
    this.#pushUrgent("$hello", { protocol, version: versions, ...more, resume, limits });
  }

  /** The connection is over below the session; without a code it was lost. */
  disconnected(code?: number, reason = ""): void {
    this.#urgent = [];
    if (this.isConnected()) {
      const by = code === undefined ? "network" : "peer";
      this.#end({ by, code: code ?? 1006, reason });
    }
  }

  /** A message arrived; `undefined` where it was no envelope. */
  receive(envelope?: Envelope & { size?: number }): void {
    if (!this.isConnected()) return;
    this.#alive.heard(this.now);
    const code = envelope ? this.#receive(envelope) : 4500;
    if (code) this.close(code, "the server broke the protocol", "session");
  }

  /** Ends the connection, and says so. */
  close(code: number, reason: string, by: Closed["by"] = "application"): void {
    if (!this.isConnected()) return;
    this.#pushUrgent("$close", { code, reason });
    this.#end({ by, code, reason });
  }

  /** Other credentials of the same principal; without any, asks for them again later. */
  auth(token?: string): boolean {
    if (!this.isOpen() || !this.#renewing.canSend) return false;
    if (token === undefined) this.#renewing.again();
    else this.#renewing.sent(this.#pushUrgent("$auth", { token }));
    return true;
  }

  /** False where there is no room. */
  call(call: Call): boolean {
    if (!this.hasRoom()) return false;
    const { type, body, more } = call;
    const head = this.#head(type, { ch: more.ch, key: more.key });
    call.id = head.id;
    this.#calls.set(call.id, call);
    this.#outbox.push({ head, body, call });
    return true;
  }

  cancel(call: Call): void {
    if (!this.#isOpenCall(call)) return;
    if (call.isSent) return this.#sendCancel(call);
    const message = "cancelled before it was sent";
    const fault: Fault = { code: "cancelled", message, retry: "safe" };
    this.#settle(call, { kind: "fault", fault, outcome: "NotSent" });
  }

  /** The application takes `n` more items. */
  credit(call: Call, n: number): void {
    if (!this.#isOpenCall(call) || this.#outbox.addCredit(call, n)) return;
    this.#push({ head: this.#head("$credit", { re: call.id }), body: `{"n":${n}}`, call, n });
  }

  /** The next part of an upload, as JSON text; false without credit or room. */
  part(call: Call, body: string): boolean {
    if (!this.#isOpenCall(call)) return true;
    if (!call.parts || !this.hasRoom()) return false;
    call.parts--;
    this.#outbox.push({ head: this.#head(`${call.type}.part`, { re: call.id }), body, call });
    return true;
  }

  /** No more parts follow. */
  endParts(call: Call): void {
    if (!this.#isOpenCall(call) || call.isEnded) return;
    call.isEnded = true;
    call.parts = 0;
    this.#outbox.push({ head: this.#head("$end", { re: call.id }), body: "null", call });
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

  answer(request: Request, answer: Answer): void {
    this.serving.answer(request, answer);
  }

  /** Asks whether the server still lives, without waiting for the heartbeat. */
  probe(): void {
    if (!this.isOpen() || this.#alive.due <= this.now + PROBE_MS) return;
    this.#alive.probe(this.now, PROBE_MS);
    this.#ping();
  }

  /** Does what is due. */
  timeout(): void {
    const { now } = this;
    if (this.#state === "greeting" && this.#until <= now) {
      this.close(4303, "the handshake took too long", "session");
    }
    const late = [...this.#calls.values()].filter((call) => call.deadline <= now);
    for (const call of late.sort((a, b) => a.deadline - b.deadline)) {
      if (call.isSent) this.#sendCancel(call);
      this.#settle(call, { kind: "timeout", outcome: call.isSent ? "Unknown" : "NotSent" });
    }
    this.serving.check(now);
    if (!this.isOpen()) return;
    const pulse = this.#alive.check(now);
    if (pulse) this.#ping();
    if (pulse === undefined) this.close(4002, "nothing was heard for too long", "session");
    if (this.isOpen()) this.#renewing.check();
  }

  // Outputs.

  /** The next message to send. */
  transmit(): Outgoing | undefined {
    return this.#nextUrgent() ?? this.#nextInTurn();
  }

  /** The next thing to tell the application. */
  event(): Event | undefined {
    const closed = this.#closed;
    if (this.#events.length || !closed || this.#urgent.length) return this.#events.shift();
    this.#state = "over";
    this.#closed = undefined;
    this.#outbox.rewind();
    if (["stop", "fresh_session"].includes(advice(closed.code))) this.#lose();
    // What the end of the session settles is told after it.
    return { on: "closed", closed };
  }

  /** When `timeout` is due. */
  due(): number {
    let due = this.serving.due();
    for (const call of this.#calls.values()) due = Math.min(due, call.deadline);
    if (this.#state === "greeting") return Math.min(due, this.#until);
    if (!this.isOpen()) return due;
    const pace = this.#outbox.hasNext() ? this.#pace.due(this.now) : Infinity;
    // What is due already waits for the socket alone.
    for (const time of [this.#inbox.due, this.#listening.due, pace]) {
      if (time > this.now) due = Math.min(due, time);
    }
    return Math.min(due, this.#alive.due, this.#renewing.due);
  }

  isOpen(): boolean {
    return this.#state === "open";
  }

  isConnected(): boolean {
    return this.#state === "greeting" || this.#state === "open";
  }

  /** Whether the application may send more. */
  hasRoom(): boolean {
    return this.#outbox.hasRoom();
  }

  /** Queues a control frame of the session stream; its `id`. */
  push(type: string, about: Partial<Head>, payload: unknown): string {
    const head = this.#head(type, about);
    this.#push({ head, body: JSON.stringify(payload ?? null) });
    return head.id;
  }

  tell(event: Event): void {
    this.#events.push(event);
  }

  // Receiving. Each returns the code to close with, or nothing.

  #receive(it: Envelope & { size?: number }): number | void {
    const { type, seq, ack, ch, re } = it;
    const isGreeting = ["$welcome", "$reject"].includes(type);
    if (!this.isOpen() && !isGreeting && type !== "$close") return 4501;
    if (this.isOpen() && (isGreeting || type === "$hello")) return 4502;
    const isMessage = type[0] !== "$";
    const lacks = (NEEDS_CH.includes(type) && !ch) || (NEEDS_RE.includes(type) && !re);
    if (["$sub", "$unsub", "$auth"].includes(type)) return 4500;
    if (ack !== undefined && !this.#outbox.acked(ack)) return 4006;
    this.serving.start();
    const isKnown = isMessage || PLACED.includes(type);
    const isPlaced = isKnown ? !(isMessage && ch && !re) : seq && !UNPLACED.includes(type);
    if (isPlaced) {
      if (seq === undefined) return 4500;
      const isNew = this.#inbox.receive(seq, this.now);
      if (!isNew) return isNew === undefined ? 4006 : undefined;
    }
    if (lacks || (type === "$live" && it.off === undefined)) return 4500;
    return isMessage ? this.#onMessage(it) : this.#onControl(it);
  }

  #onControl({ type, payload, re = "", ch = "", off = 0 }: Envelope): number | void {
    const call = this.#calls.get(re);
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
        this.#pushUrgent("$pong", { t: payload.t, now: this.#config.wall + this.now });
        break;
      case "$auth_ok":
        this.#renewing.onOk(re, payload.expires_in_ms);
        break;
      case "$auth_required":
        this.#renewing.onRequired();
        break;
      case "$ok":
        if (call) this.#settle(call, { kind: "published", done: payload });
        else this.#listening.onOk(re, payload);
        break;
      case "$err": {
        const outcome = /never|safe|after/.test(payload.retry) ? "NotProcessed" : "Unknown";
        if (call) this.#settle(call, { kind: "fault", fault: payload, outcome });
        else if (!this.#renewing.onErr(re, payload)) this.#listening.onErr(re, payload);
        break;
      }
      case "$cancel":
        this.serving.onCancel(re);
        break;
      case "$credit":
        if (!call || call.isEnded) break;
        call.parts += payload.n;
        this.tell({ on: "granted", call, n: payload.n });
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

  #onMessage(it: Envelope & { size?: number }): number | void {
    const { re, ch, type, payload } = it;
    if (!re && !ch) return this.serving.onRequest(it);
    if (ch) {
      const isSound = re ? this.#listening.onSnapshot(it) : this.#listening.onEvent(it);
      return isSound ? undefined : 4500;
    }
    const call = this.#calls.get(re as string);
    if (!call) return;
    const kind = type.startsWith(`${call.type}.`) && type.slice(call.type.length + 1);
    if (kind === "item") {
      this.tell({ on: "item", call, payload });
    } else if (kind === "ok" || kind === "err") {
      this.#settle(call, { kind, payload });
    } else {
      const message = `\`${call.type}\` was answered with a \`${type}\``;
      const fault: Fault = { code: "internal", message, retry: "unknown" };
      this.#settle(call, { kind: "fault", fault, outcome: "Processed" });
    }
  }

  #onWelcome(welcome: any): number | void {
    const { version, session, heartbeat, limits, recv } = welcome;
    const [min, max] = this.#config.versions;
    if (version < min || version > max) return 4500;
    this.#state = "open";
    this.#alive = new Alive(heartbeat.interval_ms, heartbeat.timeout_ms, this.now);
    this.maxFrame = limits.max_frame;
    const { per_s, burst } = limits.rate;
    // A quarter in reserve: on their way messages bunch, and the server counts arrivals.
    this.#pace = new Pace(per_s, Math.max(1, burst - Math.ceil(burst / 4)), this.now);
    // The server counted the hello.
    this.#pace.spend(this.now);
    const grant = this.#grant;
    this.#grant = undefined;
    if (!session.resumed) this.#lose();
    else if (!grant || version !== this.version) return 4500;
    else if (!this.#outbox.canReplayAfter(recv)) return 4006;
    else {
      this.#outbox.acked(recv);
      this.#inbox.settle();
      this.#listening.resumed();
    }
    this.version = version;
    this.#renewing.learned(welcome.auth?.expires_in_ms);
    this.#grant = { session: session.id, ticket: session.ticket };
    this.tell({ on: "welcome", welcome });
    this.#listening.askAgain();
  }

  /** The session is lost: what left has its outcome now, and positions start anew. */
  #lose(): void {
    this.#grant = undefined;
    this.#outbox.restart();
    this.#inbox = new Inbox();
    for (const call of this.#calls.values()) {
      if (call.isSent) this.#settle(call, { kind: "lost", outcome: "Unknown" });
    }
    this.serving.abandon();
    this.#listening.lost();
  }

  #end(closed: Closed): void {
    this.#closed = closed;
    this.#state = "closing";
  }

  // Sending.

  #nextUrgent(): Outgoing | undefined {
    let frame = this.#urgent.shift();
    const isOwed = Math.min(this.#inbox.due, this.#listening.due) <= this.now;
    if (!frame && this.isOpen() && isOwed) {
      const ch = this.#listening.tell(this.maxFrame);
      frame = { head: this.#head("$ack"), body: JSON.stringify({ ch }) };
    }
    return frame && this.#leave(frame);
  }

  #nextInTurn(): Outgoing | undefined {
    if (!this.isOpen() || this.#pace.due(this.now) > this.now) return;
    const again = this.#outbox.again();
    if (again) return this.#leave(again);
    for (let frame; (frame = this.#outbox.take()); ) {
      if (!this.#isReady(frame)) continue;
      this.#outbox.place(frame);
      return this.#leave(frame);
    }
  }

  /** What was received rides on what leaves. */
  #leave({ head, body }: Outgoing): Outgoing {
    this.#pace.spend(this.now);
    const ack = head.type === "$hello" ? undefined : this.#inbox.tell();
    return { head: { ...head, ack }, body };
  }

  /** The last check before a frame leaves: false when its call was settled instead. */
  #isReady({ head, body, call, n }: Queued): boolean {
    if (!call) return true;
    if (!this.#isOpenCall(call)) return false;
    if (n || head.type === "$end") return true;
    const isPart = head.re !== undefined;
    if (isPart && call.isCancelled) return false;
    const { since = 0, removed = Infinity } = call.more;
    const { version } = this;
    if (version < since || version >= removed) {
      return this.#settle(call, { kind: "unsupported", version });
    }
    if ((isPart ? byteLength(body) : call.size) + HEAD > this.maxFrame) {
      const message = "the message is larger than the server takes";
      const fault: Fault = { code: "too_large", message, retry: isPart ? "unknown" : "never" };
      // An upload with a hole is worth nothing.
      if (isPart) this.#sendCancel(call);
      return this.#settle(call, { kind: "fault", fault, outcome: isPart ? "Unknown" : "NotSent" });
    }
    if (isPart) return true;
    if (call.deadline <= this.now) {
      return this.#settle(call, { kind: "timeout", outcome: "NotSent" });
    }
    call.isSent = true;
    if (call.deadline < Infinity) head.ttl = Math.ceil(call.deadline - this.now);
    return true;
  }

  #push(frame: Queued): void {
    if (this.#outbox.hasRoom(2)) return this.#outbox.push(frame);
    // A session that leaves out a frame cannot go on: the next one begins anew.
    this.#grant = undefined;
    this.close(4003, "nothing was acknowledged for too long", "session");
  }

  #pushUrgent(type: string, payload: object): string {
    const head = this.#head(type);
    this.#urgent.push({ head, body: JSON.stringify(payload) });
    return head.id;
  }

  #ping(): void {
    this.#pushUrgent("$ping", { t: Math.floor(this.now) });
  }

  #sendCancel(call: Call): void {
    if (call.isCancelled) return;
    call.isCancelled = true;
    this.push("$cancel", { re: call.id }, null);
  }

  #settle(call: Call, reply: Reply): false {
    if (this.#calls.delete(call.id)) this.tell({ on: "answered", call, reply });
    if (!call.isSent) this.#outbox.withdraw(call);
    return false;
  }

  #isOpenCall(call: Call): boolean {
    return this.#calls.get(call.id) === call;
  }

  #head(type: string, about?: Partial<Head>): Head {
    return { type, id: this.#config.id(), ts: this.#config.wall + Math.floor(this.now), ...about };
  }
}

function window(retry: any): { retry?: [number, number] } {
  const isWindow = Array.isArray(retry) && retry.length === 2 && retry.every((it) => it >= 0);
  return isWindow ? { retry: [retry[0], Math.max(retry[0], retry[1])] } : {};
}
