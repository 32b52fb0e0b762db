// A client of the wire protocol, docs/protocol.md, in its JSON format: one session at a time over
// one WebSocket, and a new one when it is lost. It knows nothing of the chat.

import { Pace, advice, backoff, messageId } from "./frames.js";

const HELLO_MS = 5_000;
const TICK_MS = 1_000;
const ACK_MS = 250;
const FRAMES_PER_ACK = 32;
const EVENTS_PER_ACK = 16;
const CREDIT = 32;
const MAX_UNACKNOWLEDGED = 1_024;
const MAX_QUEUED = 256;
const MAX_ATTEMPTS = 12;
const HEADER_BYTES = 512;

/**
 * Why a call failed. `kind`: `rejected` (the typed error is in `error`), `fault` (the framework's,
 * in `error`), `timeout` or `lost`. `outcome`: `processed`, `not_sent`, `not_processed`, `unknown`.
 */
export class CallError extends Error {
  constructor(kind, error, outcome, text) {
    super(text);
    this.kind = kind;
    this.error = error;
    this.outcome = outcome;
  }
}

/** A connection that comes back by itself. States are told to `onState`; see `#setState`. */
export class Connection {
  #options;
  #socket = null;
  #session = null;
  #calls = new Map();
  #queue = [];
  #listeners = new Map();
  #attempt = 0;
  #fate = { code: 0, reason: "", window: null, since: 0 };
  #timers = { hello: 0, retry: 0, flush: 0, tick: 0 };

  /** `options`: url, protocol, version [min, max], token, client {name, version}, onState. */
  constructor(options) {
    this.#options = options;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      if (this.#session) this.#probe(3_000);
      this.#hurry();
    });
  }

  /** Connects; also after the connection stopped for good. */
  connect() {
    if (this.#socket) return;
    this.#attempt = 0;
    this.#open();
  }

  /** Ends the session. */
  close() {
    this.#end(1000, "bye");
  }

  /** Asks a request. Resolves with the payload of its `.ok`, rejects with a `CallError`. */
  call(kind, payload, { ttl = 15_000, onItem = null } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= MAX_QUEUED) {
        reject(new CallError("lost", null, "not_sent", "too much is waiting already"));
        return;
      }
      const call = { id: messageId(), kind, payload, onItem, resolve, reject, items: 0 };
      call.until = Date.now() + ttl;
      call.timer = setTimeout(() => this.#expire(call), ttl);
      this.#calls.set(call.id, call);
      this.#queue.push(call);
      this.#flush();
    });
  }

  /** Asks a request that streams: `onItem` is called with each item before it resolves. */
  stream(kind, payload, onItem) {
    return this.call(kind, payload, { onItem, ttl: 30_000 });
  }

  /**
   * Listens to a channel. `on`: event(kind, payload), gap(reason) and end(fault), the last one when
   * the server refuses or ends it. `since` is a position {epoch, off}. The subscription survives
   * reconnects.
   */
  subscribe(ch, on, since = null) {
    const listener = { ch, on, epoch: since?.epoch, at: since?.off, asked: null, stands: false };
    this.#listeners.set(ch, listener);
    if (this.#session) this.#ask(listener);
  }

  /** Stops listening. */
  unsubscribe(ch) {
    if (this.#listeners.delete(ch) && this.#session) {
      this.#session.consumed.delete(ch);
      this.#sendInStream("$unsub", { ch }, null);
    }
  }

  /** Publishes an event that does not matter enough to wait for: dropped while away. */
  publishLightly(kind, ch, payload) {
    if (this.#mayStream()) this.#sendInStream(kind, { ch, ttl: 3_000 }, payload);
  }

  // Opening.

  #open() {
    clearTimeout(this.#timers.retry);
    this.#attempt += 1;
    this.#setState({ name: "connecting", attempt: this.#attempt });
    const socket = new WebSocket(this.#options.url, ["wsp1.json"]);
    this.#socket = socket;
    const fate = { code: 0, reason: "", window: null, since: 0 };
    this.#fate = fate;
    const mine = () => this.#socket === socket;
    this.#timers.hello = setTimeout(() => mine() && this.#lost("no welcome in time"), HELLO_MS * 2);
    socket.onopen = () => mine() && this.#hello();
    socket.onmessage = (message) => mine() && this.#receive(message.data);
    socket.onclose = (closed) => {
      if (!mine()) return;
      if (!fate.code) fate.code = closed.code;
      this.#lost(closed.reason);
    };
  }

  #hello() {
    const { protocol, version, token, client } = this.#options;
    this.#write("$hello", {}, { protocol, version, client, auth: { token } });
  }

  #welcome(payload) {
    clearTimeout(this.#timers.hello);
    this.#fate.since = Date.now();
    this.#session = {
      sent: 0,
      acknowledged: 0,
      received: 0,
      told: 0,
      ackTimer: 0,
      consumed: new Map(),
      events: 0,
      heartbeat: payload.heartbeat,
      maxFrame: payload.limits.max_frame,
      pace: new Pace(payload.limits.rate),
      heard: Date.now(),
      deadline: 0,
      ticked: Date.now(),
    };
    this.#timers.tick = setInterval(() => this.#tick(), TICK_MS);
    for (const listener of this.#listeners.values()) this.#ask(listener);
    this.#setState({ name: "ready", version: payload.version });
    this.#flush();
  }

  // Losing, and coming back.

  /** The connection is over; what the server said about it is in `fate`. */
  #lost(reason) {
    const fate = this.#fate;
    const code = fate.code || 1006;
    this.#drop();
    if (advice(code) === "stop") {
      this.#stop(code, fate.reason || reason || "the server ended the session");
      return;
    }
    if (fate.since && Date.now() - fate.since >= 30_000) this.#attempt = 0;
    if (this.#attempt >= MAX_ATTEMPTS) {
      this.#stop(code, "the server could not be reached");
      return;
    }
    const delay = fate.window ? between(...fate.window) : backoff(Math.max(1, this.#attempt));
    const why = fate.reason || reason || "the connection was lost";
    this.#setState({ name: "waiting", until: Date.now() + delay, reason: why });
    this.#timers.retry = setTimeout(() => this.#open(), delay);
  }

  /** Forgets the session. What left and was not answered has an unknown outcome. */
  #drop() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    clearTimeout(this.#session?.ackTimer);
    const socket = this.#socket;
    this.#socket = null;
    this.#session = null;
    if (socket && socket.readyState < WebSocket.CLOSING) socket.close();
    const waiting = new Set(this.#queue);
    for (const call of [...this.#calls.values()]) {
      if (!waiting.has(call)) {
        this.#settle(call, new CallError("lost", null, "unknown", "the connection was lost"));
      }
    }
    for (const listener of this.#listeners.values()) listener.stands = false;
  }

  #stop(code, reason) {
    for (const call of [...this.#calls.values()]) {
      this.#settle(call, new CallError("lost", null, "not_sent", reason));
    }
    this.#setState({ name: "stopped", code, reason });
  }

  /** Ends the connection from this side, with a reason. */
  #end(code, reason) {
    if (this.#session) this.#write("$close", {}, { code, reason });
    this.#socket?.close(code, reason);
    this.#fate.code = code;
    this.#fate.reason = reason;
    this.#lost(reason);
  }

  #hurry() {
    if (this.#socket || !this.#timers.retry || this.state?.name !== "waiting") return;
    this.#open();
  }

  /** {name: connecting | ready | waiting | stopped, ..}: what people should see. */
  #setState(state) {
    this.state = state;
    this.#options.onState(state);
  }

  // Liveness (section 9).

  #tick() {
    const session = this.#session;
    const now = Date.now();
    const late = now - session.ticked - TICK_MS;
    session.ticked = now;
    if (session.deadline && now >= session.deadline) {
      this.#end(4002, "the server was silent");
    } else if (late > 5_000) {
      this.#probe(3_000);
    } else if (now - session.heard >= session.heartbeat.interval_ms) {
      this.#probe(session.heartbeat.timeout_ms);
    }
  }

  #probe(patience) {
    if (this.#session.deadline) return;
    this.#session.deadline = Date.now() + patience;
    this.#write("$ping", {}, { t: Math.round(performance.now()) });
  }

  // Sending.

  /** One envelope, with what was received so far. */
  #write(type, header, payload) {
    const session = this.#session;
    const head = { type, id: header.id ?? messageId(), ts: Date.now(), ...header };
    if (session && session.told < session.received) {
      head.ack = session.received;
      session.told = session.received;
    }
    session?.pace.spend();
    this.#socket.send(JSON.stringify({ ...head, payload }));
    return head.id;
  }

  /** A frame of the session stream (section 6). */
  #sendInStream(type, header, payload) {
    this.#session.sent += 1;
    return this.#write(type, { ...header, seq: this.#session.sent }, payload);
  }

  #mayStream() {
    const session = this.#session;
    if (!session) return false;
    return session.sent - session.acknowledged < MAX_UNACKNOWLEDGED && session.pace.delay() === 0;
  }

  /** Sends the requests that wait, as far as rate and bounds allow. */
  #flush() {
    clearTimeout(this.#timers.flush);
    while (this.#queue.length > 0 && this.#mayStream()) {
      const call = this.#queue.shift();
      const size = new TextEncoder().encode(JSON.stringify(call.payload)).length;
      if (size + HEADER_BYTES > this.#session.maxFrame) {
        this.#settle(call, new CallError("fault", null, "not_sent", "this is too long to send"));
        continue;
      }
      const ttl = Math.max(1, call.until - Date.now());
      this.#sendInStream(call.kind, { id: call.id, ttl }, call.payload);
      if (call.onItem) this.#sendInStream("$credit", { re: call.id }, { n: CREDIT });
    }
    if (this.#queue.length > 0 && this.#session) {
      const delay = Math.max(10, this.#session.pace.delay());
      this.#timers.flush = setTimeout(() => this.#flush(), delay);
    }
  }

  #ask(listener) {
    const { ch, epoch, at } = listener;
    const payload = epoch === undefined ? {} : { since: { epoch, off: at } };
    listener.stands = false;
    listener.asked = this.#sendInStream("$sub", { ch }, payload);
  }

  #expire(call) {
    const left = !this.#queue.includes(call);
    if (left && this.#session) this.#sendInStream("$cancel", { re: call.id }, null);
    const outcome = left ? "unknown" : "not_sent";
    this.#settle(call, new CallError("timeout", null, outcome, "there was no answer in time"));
  }

  /** A call ends, with a payload or a `CallError`. */
  #settle(call, result) {
    clearTimeout(call.timer);
    this.#calls.delete(call.id);
    this.#queue = this.#queue.filter((waiting) => waiting !== call);
    if (result instanceof CallError) call.reject(result);
    else call.resolve(result);
  }

  /** Something was received or consumed: say so soon, or at once if it is much. */
  #owe() {
    const session = this.#session;
    const frames = session.received - session.told;
    if (frames >= FRAMES_PER_ACK || session.events >= EVENTS_PER_ACK) {
      this.#acknowledge();
    } else if (!session.ackTimer) {
      session.ackTimer = setTimeout(() => this.#acknowledge(), ACK_MS);
    }
  }

  #acknowledge() {
    const session = this.#session;
    clearTimeout(session.ackTimer);
    session.ackTimer = 0;
    const ch = Object.fromEntries(session.consumed);
    const isNews = session.consumed.size > 0;
    session.consumed.clear();
    session.events = 0;
    if (isNews || session.told < session.received) this.#write("$ack", {}, isNews ? { ch } : {});
  }

  // Receiving.

  #receive(text) {
    let envelope;
    try {
      envelope = JSON.parse(text);
    } catch {
      this.#end(4500, "a message that is not JSON");
      return;
    }
    const session = this.#session;
    if (session) {
      session.heard = Date.now();
      session.deadline = 0;
      session.acknowledged = Math.max(session.acknowledged, envelope.ack ?? 0);
      if (envelope.seq !== undefined && !this.#takes(envelope.seq)) return;
    } else if (!["$welcome", "$reject", "$close"].includes(envelope.type)) {
      this.#end(4500, "the server did not begin with a welcome");
      return;
    }
    this.#dispatch(envelope);
  }

  /** Whether a numbered frame is the next one (section 6). */
  #takes(seq) {
    const session = this.#session;
    if (seq > session.received + 1) {
      this.#end(4006, "a frame is missing");
      return false;
    }
    if (seq <= session.received) {
      session.told = Math.min(session.told, seq - 1);
      this.#owe();
      return false;
    }
    session.received = seq;
    this.#owe();
    return true;
  }

  #dispatch(envelope) {
    const { type, payload, ch } = envelope;
    switch (type) {
      case "$welcome": if (!this.#session) this.#welcome(payload); break;
      case "$reject": this.#doom(payload.close, payload.error.message, null); break;
      case "$close": this.#doom(payload.code, payload.reason, payload.retry_after_ms); break;
      case "$ping": this.#write("$pong", {}, { t: payload.t, now: Date.now() }); break;
      case "$ok": this.#stands(ch, envelope.re, payload); break;
      case "$err": this.#fault(envelope.re, payload); break;
      case "$unsubbed": this.#ended(ch, payload); break;
      case "$live": this.#consume(this.#listeners.get(ch), envelope.off); break;
      case "$gap": this.#gap(this.#listeners.get(ch), payload); break;
      default:
        if (type.startsWith("$")) break;
        if (envelope.re) this.#answer(envelope);
        else if (ch) this.#event(this.#listeners.get(ch), envelope);
    }
  }

  /** The server says why the connection is about to end. */
  #doom(code, reason, window) {
    Object.assign(this.#fate, { code, reason, window });
  }

  #answer({ type, re, payload }) {
    const call = this.#calls.get(re);
    if (!call) return;
    if (type === `${call.kind}.item`) {
      call.items += 1;
      if (call.items % (CREDIT / 2) === 0) {
        this.#sendInStream("$credit", { re }, { n: CREDIT / 2 });
      }
      call.onItem?.(payload);
    } else if (type === `${call.kind}.ok`) {
      this.#settle(call, payload);
    } else if (type === `${call.kind}.err`) {
      const name = typeof payload === "string" ? payload : Object.keys(payload ?? {})[0];
      const text = String(name).replaceAll("_", " ");
      this.#settle(call, new CallError("rejected", payload, "processed", text));
    }
  }

  #fault(re, fault) {
    const call = this.#calls.get(re);
    if (call) {
      const outcome = fault.retry === "unknown" ? "unknown" : "not_processed";
      this.#settle(call, new CallError("fault", fault, outcome, fault.message));
      return;
    }
    for (const listener of this.#listeners.values()) {
      if (listener.asked === re) this.#ended(listener.ch, fault);
    }
  }

  #stands(ch, re, payload) {
    const listener = this.#listeners.get(ch);
    if (!listener || listener.asked !== re) return;
    listener.stands = true;
    listener.epoch = payload.epoch;
    if (payload.recovered !== true) listener.at = payload.off;
    if (payload.recovered === false) listener.on.gap?.(payload.reason);
  }

  #ended(ch, fault) {
    const listener = this.#listeners.get(ch);
    if (!listener) return;
    this.#listeners.delete(ch);
    listener.on.end?.(fault);
  }

  /** An event: a duplicate is ignored, a hole is said (section 8). */
  #event(listener, { type, payload, off, prev }) {
    if (!listener?.stands) return;
    if (off !== undefined) {
      if (off <= listener.at) return;
      if (prev !== listener.at) listener.on.gap?.("hole");
    }
    listener.on.event(type.slice(type.indexOf(".") + 1), payload);
    if (off !== undefined) this.#consume(listener, off);
  }

  #gap(listener, { reason, until }) {
    if (!listener?.stands) return;
    if (reason !== "version") listener.on.gap?.(reason);
    if (until !== undefined) this.#consume(listener, until);
  }

  /** The application has everything up to `off`. */
  #consume(listener, off) {
    // The application may have left the channel, or the session may be over, in between.
    if (!listener || !this.#session || this.#listeners.get(listener.ch) !== listener) return;
    listener.at = Math.max(listener.at ?? 0, off);
    this.#session.consumed.set(listener.ch, listener.at);
    this.#session.events += 1;
    this.#owe();
  }
}

/** A random moment of a window that the server named; it is not obeyed for more than an hour. */
function between(low, high) {
  const hour = 3_600_000;
  return Math.min(hour, low) + Math.random() * Math.max(0, Math.min(hour, high) - low);
}
