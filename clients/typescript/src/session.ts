import type { Call, Closed, Config, Hooks, Queued, Reply } from "./events.js";
import { isFinal } from "./codes.js";
import type { About, Core, Session } from "./core.js";
import { listening } from "./listening.js";
import { SHAPES, byteLength, json } from "./wire.js";
import type { Envelope, Outgoing } from "./wire.js";

/** A header's share of a message's size, generously. */
export const HEAD = 512;

/** What its caller may conclude of a call when nothing more is known. */
export function outcomeOf(call: Call): Reply["outcome"] {
  return call.isSent_ ? "Unknown" : "NotSent";
}

export function session(config: Config): Session {
  const HELLO_MS = 5000;
  /** The server gets this long after a sleep, or when there is a reason to doubt. */
  const PROBE_MS = 3000;
  /** A timer that is this late was asleep. */
  const ASLEEP_MS = 5000;
  /** A bare `$ack` follows after this long, or after this many frames. */
  const ACK_MS = 250;
  const ACK_FRAMES = 32;
  /** The bounds of what waits and of what is not acknowledged (docs/protocol.md, section 12). */
  const FRAMES = 1024;
  const BYTES = 262_144;
  /** A header's share of that, roughly. */
  const ENTRY = 160;

  const { protocol, versions, maxFrame: largest = 65_536, window = 256, format = json } = config;
  const calls = new Map<string, Call>();
  const parts: Hooks[] = [];
  let now = 0;
  let version = 0;
  let maxFrame = 65_536;
  /** A connection, and a session on it. */
  let isConnected = false;
  let isOpen = false;
  /** How the connection ended; told when the last word has left. */
  let closed: Closed | undefined;
  let grant: { session: string; ticket: string } | undefined;
  /** What leaves before everything else, what waits, and what is not acknowledged (section 6). */
  let urgent: Outgoing[] = [];
  let queue: Queued[] = [];
  let sent: Queued[] = [];
  /**
   * The last place that was given, and the last that was acknowledged. A place is given when a
   * frame leaves, so that a request whose time ran out while it waited leaves no hole.
   */
  let lastSeq = 0;
  let acked = 0;
  /** What was received of the server's session stream, and how much of it no `ack` has said. */
  let recv = 0;
  let owed = 0;
  let ackDue = Infinity;
  /** Until when the server may be silent, and whether it was asked (section 9). */
  let patience = Infinity;
  let isAsked = false;
  let heartbeat = { interval_ms: 0, timeout_ms: 0 };
  /** How fast messages may leave: the time at which all that left is paid for (section 12). */
  let paid = 0;
  let perMessage = 0;
  let ahead = 0;

  const frame = (type: string, payload?: unknown, about?: About): Outgoing => ({
    head: { type, id: config.id(), ts: now, ...about },
    body: format.body(payload),
  });

  const hasRoom = (share = 1) => {
    let bytes = 0;
    const all = [...sent, ...queue];
    for (const { body } of all) bytes += ENTRY + body.length;
    return all.length < FRAMES * share && bytes < BYTES * share;
  };

  const push: Session["push_"] = (type, about, payload, more) => {
    const it = { ...frame(type, payload, about), ...more };
    if (hasRoom(2)) queue.push(it);
    else {
      // A session that leaves out a frame cannot go on: the next one begins anew.
      grant = undefined;
      fail(4003);
    }
    return it.head.id;
  };

  const pushUrgent: Session["pushUrgent_"] = (type, payload) => {
    const it = frame(type, payload);
    urgent.push(it);
    return it.head.id;
  };

  const end = (
    code: number,
    reason: string,
    retry?: Closed["retry"],
    reject?: Closed["reject"],
  ) => {
    closed = { code, reason, retry, reject };
    isConnected = isOpen = false;
  };

  const fail: Session["fail_"] = (code, reason = "") => {
    if (!isConnected) return;
    pushUrgent("$close", { code, reason });
    end(code, reason);
  };

  const has = (call: Call) => calls.get(call.id_ as string) === call;

  const sendCancel = (call: Call) => {
    if (!call.isCancelled_) push("$cancel", { re: call.id_ as string });
    call.isCancelled_ = true;
  };

  const settle: Session["settle_"] = (call, kind, payload, outcome = outcomeOf(call)) => {
    // What has a place must leave again, or the server misses it.
    queue = queue.filter((it) => it.head.seq || it.call !== call);
    if (calls.delete(call.id_ as string)) call.take_?.({ kind, outcome, payload });
    return false;
  };

  const fault: Session["fault_"] = (call, code, retry, outcome, message = code) =>
    settle(call, "fault", { code, message, retry }, outcome);

  const ping = (wait: number) => {
    isAsked = true;
    patience = now + wait;
    pushUrgent("$ping", { t: now });
  };

  /** Everything was said, with an `ack` or by the hello of a resume. */
  const settleAck = () => {
    owed = 0;
    ackDue = Infinity;
  };

  /** The session is lost: what left has its outcome now, and positions start anew. */
  const lose = (isOver?: boolean) => {
    grant = undefined;
    sent = [];
    // Of what waits only calls still mean anything.
    queue = queue.filter((it) => it.call && !it.head.seq);
    lastSeq = acked = recv = 0;
    settleAck();
    for (const call of calls.values()) if (isOver || call.isSent_) settle(call, "lost");
    for (const part of parts) part.lost_?.();
  };

  // Receiving. Each returns the code to close with, or nothing.

  const onFrame = (it: Envelope): number | void => {
    const { id, type, seq, ack = 0, ch, re, payload } = it;
    if (isOpen && /^\$(welcome|reject|hello)$/.test(type)) return 4502;
    if (!isOpen && !/^\$(welcome|reject|close)$/.test(type)) return 4501;
    if (!onAck(ack)) return 4006;
    const isMessage = type[0] !== "$";
    const shape = SHAPES[type];
    if (isMessage ? re || !ch : shape ? shape.seq === 0 : seq) {
      if (seq == null) return 4500;
      if (seq > recv + 1) return 4006;
      ackDue = ++owed < ACK_FRAMES ? Math.min(ackDue, now + ACK_MS) : -Infinity;
      // A duplicate is acknowledged once more.
      if (seq <= recv) return;
      recv = seq;
    }
    const call = calls.get(re as string);
    if (parts.some((part) => part.receive_?.(it)) || call?.hear_?.(it)) return;
    if (type === "$welcome") return onWelcome(payload);
    if (type === "$reject") {
      const { message, after_ms: after } = payload.error;
      end(payload.close, message, after && [after, after], payload);
    } else if (type === "$close") end(payload.code, payload.reason, payload.retry_after_ms);
    else if (type === "$ping") {
      // Pongs are owed by the server's pings: one that reads none gets no more.
      if (urgent.length > 1024) return 4003;
      pushUrgent("$pong", { t: payload.t, now });
    } else if (!call) {
      if (!isMessage || ch) return listened.hear_(it);
      // Serving is a part.
      if (!re) push("$err", { re: id }, { code: "unimplemented", message: type, retry: "never" });
    } else if (type === "$err") {
      const isOver = /never|safe|after/.test(payload.retry);
      settle(call, "fault", payload, isOver ? "NotProcessed" : "Unknown");
    } else if (type === "$ok" || type === `${call.type}.ok`) {
      settle(call, "ok", payload, "Processed");
    } else if (type === `${call.type}.err`) settle(call, "err", payload, "Processed");
    else if (isMessage) fault(call, "internal", "unknown", "Processed", type);
  };

  /** The server has everything up to `seq`; false when that was never sent. */
  const onAck = (seq: number) => {
    if (seq > lastSeq) return false;
    acked = Math.max(seq, acked);
    sent = sent.filter(({ head }) => (head.seq as number) > seq);
    return true;
  };

  const onWelcome = (welcome: any): number | void => {
    const { version: chosen, session, limits } = welcome;
    const before = grant;
    grant = undefined;
    if (chosen < versions[0] || chosen > versions[1]) return 4500;
    if (!session.resumed) lose();
    else if (!before || chosen !== version) return 4500;
    else if (welcome.recv < acked || !onAck(welcome.recv)) return 4006;
    version = chosen;
    grant = { session: session.id, ticket: session.ticket };
    isOpen = true;
    heartbeat = welcome.heartbeat;
    maxFrame = limits.max_frame;
    perMessage = 1000 / (limits.rate.per_s || 1);
    // A quarter in reserve: on their way messages bunch, and the server counts arrivals.
    ahead = Math.trunc(limits.rate.burst * 0.75 - 1) * perMessage;
    // The server counted the hello.
    paid = now + perMessage;
    // What is not acknowledged is sent again, before everything else.
    queue = [...sent, ...queue];
    sent = [];
    listened.welcome_(session.resumed);
    for (const part of parts) part.welcome_?.(welcome);
    config.welcome_?.(welcome);
  };

  // Sending.

  const nextUrgent = () => {
    const isOwed = isOpen && Math.min(ackDue, listened.consumedDue_()) <= now;
    return urgent.shift() ?? (isOwed ? frame("$ack", { ch: listened.sayConsumed_() }) : undefined);
  };

  const nextInTurn = () => {
    while (isOpen && paceDue() <= now) {
      const it = nextQueued();
      if (!it) return;
      queue.splice(queue.indexOf(it), 1);
      if (it.head.seq || isReady(it)) {
        it.head.seq ??= ++lastSeq;
        sent.push(it);
        return it;
      }
    }
    return;
  };

  /** While the server acknowledges too little, only what may end a request passes. */
  const nextQueued = () =>
    sent.length < FRAMES || queue[0]?.head.seq
      ? queue[0]
      : queue.find(({ head }) => /^\$c/.test(head.type));

  /** When the next message may leave. */
  const paceDue = () => Math.ceil(paid - ahead);

  /** The last check before a frame leaves: false when its call was settled instead. */
  const isReady = ({ head, body, call, check_: check }: Queued) => {
    if (!call || head.re) return !check || check();
    const { since = 0, removed = Infinity, deadline } = call;
    if (version < since || version >= removed) return settle(call, "unsupported", version);
    if (byteLength(body) + HEAD > maxFrame) return fault(call, "too_large", "never");
    if (deadline <= now) return settle(call, "timeout");
    call.isSent_ = true;
    if (deadline < Infinity) head.ttl = Math.ceil(deadline - now);
    return true;
  };

  const core: Core = {
    format_: format,
    parts_: parts,
    calls_: calls,
    now_: () => now,
    version_: () => version,
    maxFrame_: () => maxFrame,
    queue_: () => queue,
    isOpen_: () => isOpen,
    hasRoom_: hasRoom,
    push_: push,
    pushUrgent_: pushUrgent,
    has_: has,
    sendCancel_: sendCancel,
    settle_: settle,
    fault_: fault,
    fail_: fail,
    lose_: lose,

    at_(time) {
      now = Math.max(now, time);
      return self;
    },

    connect_(more) {
      const resume = grant && { ...grant, recv };
      settleAck();
      isConnected = true;
      patience = now + HELLO_MS;
      const limits = { max_frame: largest, window };
      pushUrgent("$hello", { protocol, version: versions, ...more, resume, limits });
    },

    disconnected_(code = 1006, reason = "") {
      urgent = [];
      if (!closed) end(code, reason);
    },

    receive_(it: Envelope | number = 4500) {
      if (!isConnected) return;
      const code = Object(it) === it ? onFrame(it as Envelope) : (it as number);
      patience = now + heartbeat.interval_ms;
      isAsked = false;
      if (code) fail(code);
    },

    call_(call) {
      if (!hasRoom()) return false;
      const { type, body, ch, key } = call;
      call.id_ = push(type, { ch, key }, null, { body, call });
      calls.set(call.id_, call);
      return true;
    },

    cancel_(call) {
      if (!has(call)) return;
      if (call.isSent_) sendCancel(call);
      else fault(call, "cancelled", "safe");
    },

    probe_() {
      if (isOpen && patience > now + PROBE_MS) ping(PROBE_MS);
    },

    timeout_() {
      for (const call of calls.values()) {
        if (call.deadline > now) continue;
        if (call.isSent_) sendCancel(call);
        settle(call, "timeout");
      }
      if (isConnected && patience <= now) {
        const hasSlept = now - patience > ASLEEP_MS;
        if (!isOpen) fail(4303);
        else if (!isAsked || hasSlept) ping(hasSlept ? PROBE_MS : heartbeat.timeout_ms);
        else fail(4002);
      }
      for (const part of parts) part.timeout_?.();
    },

    transmit_() {
      const it = nextUrgent() ?? nextInTurn();
      if (it) {
        paid = Math.max(paid, now) + perMessage;
        // What was received rides on what leaves.
        it.head.ack = owed ? recv : undefined;
        settleAck();
      }
      return it;
    },

    closed_() {
      const it = urgent.length ? undefined : closed;
      if (it) {
        closed = undefined;
        if (isFinal(it.code) || /^41/.test(`${it.code}`)) lose();
      }
      return it;
    },

    due_() {
      const dues = [...calls.values()].map((call) => call.deadline);
      for (const part of parts) dues.push(part.due_?.() ?? Infinity);
      if (isConnected) dues.push(patience);
      if (isOpen) {
        // What is due already waits for the socket alone.
        const pace = nextQueued() ? paceDue() : Infinity;
        dues.push(...[ackDue, listened.consumedDue_(), pace].filter((time) => time > now));
      }
      return Math.min(...dues, Infinity);
    },
  };
  const listened = listening(core);
  const self = Object.assign(core, listened);
  return self;
}
