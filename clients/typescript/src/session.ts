import type { Call, Closed, Config, Hooks, Queued } from "./events.js";
import { isFinal, outcomeOf } from "./codes.js";
import * as bound from "./bounds.js";
import type { About, Session, Settle } from "./core.js";
import type { Item, Listened } from "./listening.js";
import { SHAPES, byteLength, json } from "./wire.js";
import type { Done, Envelope, Gap, Outgoing, Position } from "./wire.js";

export function session(config: Config): Session {
  const { protocol, versions, fingerprint, client } = config;
  const { maxFrame: largest = 65_536, window = 256, format = json } = config;
  const calls = new Map<string, Call>();
  const parts: Hooks[] = [];
  const all = new Map<string, Listened>();
  /** The wall clock, but it never goes back. It counts the time of a sleep. */
  let now = 0;
  let last = 0;
  let version = 0;
  let maxFrame = 0;
  /** A connection, and a session on it. */
  let isConnected = false;
  let isOpen = false;
  /** How the connection ended; told when the last word has left. */
  let closed: Closed | undefined;
  let grant: { id: string; ticket: string } | undefined;
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
  /** When to say what was consumed. */
  let sayDue = Infinity;
  /** Until when the server may be silent, and whether it was asked (section 9). */
  let patience = Infinity;
  let isAsked = false;
  let heartbeat: any = {};
  /** How fast messages may leave: the time at which all that left is paid for (section 12). */
  let paid = 0;
  let perMessage = 0;
  let ahead = 0;

  const frame = (type: string, payload?: unknown, about?: About): Outgoing => ({
    head: { type, id: config.id(), ts: now, ...about },
    body: format.body(payload),
  });

  const hasRoom = (share = 1) => {
    const all = [...sent, ...queue];
    const bytes = all.reduce((bytes, { body }) => bytes + bound.ENTRY + body.length, 0);
    return all.length < bound.FRAMES * share && bytes < bound.BYTES * share;
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

  const end = (how: Closed) => {
    closed = how;
    isConnected = isOpen = false;
  };

  const fail: Session["fail_"] = (code, reason = "") => {
    if (!isConnected) return;
    const how = { code, reason };
    pushUrgent("$close", how);
    end(how);
  };

  const sendCancel = (call: Call) =>
    void (call.cancel_ ||= push("$cancel", { re: call.id_ as string }));

  const settle: Settle = (call, kind, payload, outcome = outcomeOf(call)) => {
    // What has a place must leave again, or the server misses it.
    queue = queue.filter((it) => it.call !== call || it.head.seq);
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
      ackDue = Math.min(ackDue, ++owed < bound.ACK_FRAMES ? now + bound.ACK_MS : now);
      // A duplicate is acknowledged once more.
      if (seq <= recv) return;
      recv = seq;
    }
    const call = calls.get(re as string);
    if (parts.some((part) => part.receive_?.(it)) || call?.hear_?.(it)) return;
    if (type === "$welcome") return onWelcome(payload);
    if (type === "$reject") {
      const { message, after_ms: after } = payload.error;
      const window = after && [after, after];
      end({ code: payload.close, reason: message, retry_after_ms: window, reject: payload });
    } else if (type === "$close") end(payload);
    else if (type === "$ping") {
      // Pongs are owed by the server's pings: one that reads none gets no more.
      if (urgent.length > 1024) return 4003;
      pushUrgent("$pong", { t: payload.t, now });
    } else if (!call) {
      if (!isMessage || ch) return onChannel(it);
      if (re) return;
      // Serving is a part.
      const about = { re: id.toLowerCase() };
      push("$err", about, { code: "unimplemented", message: type, retry: "never" });
    } else if (type === "$err") {
      const isUnknown = !/never|safe|after/.test(payload.retry);
      settle(call, "fault", payload, isUnknown ? "Unknown" : "NotProcessed");
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
    grant = session;
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
    onListening(session.resumed);
    for (const part of parts) part.welcome_?.(welcome);
    config.welcome_(welcome);
  };

  // Listening.

  const gap = (it: Listened, gap: Gap) => it.tell_({ type: "$gap", ...gap }, gap.until);

  const owe = (it: Listened, off: number, wait: number) => {
    it.owed_ = Math.max(off, it.owed_ ?? 0);
    sayDue = Math.min(sayDue, now + wait);
  };

  /**
   * Goes on to a position, with a word on what lies between it and the one before; false where the
   * client has it already: if it was consumed, the word of that was lost.
   */
  const goTo = (it: Listened, off: number, prev: number) => {
    const at = it.at_ as Position;
    const after = at.off;
    if (off > after) {
      at.off = off;
      if (prev !== after) gap(it, { reason: "trimmed", after, until: prev });
      return true;
    }
    if (off <= (it.told_ as number)) owe(it, off, bound.ACK_MS);
    return false;
  };

  /** Everything that is wanted is asked for. */
  const askAgain = () =>
    all.forEach((it, ch) => {
      if (!isOpen || it.sub_) return;
      it.snapshot_ = undefined;
      it.sub_ = push("$sub", { ch }, { since: it.at_ });
    });

  /** The server sends nothing of that any more. */
  const forget = (it: Listened) => {
    it.isLive_ = false;
    return all.delete(it.ch_ as string);
  };

  /**
   * There is a connection. In another session what is live is wanted again; where the session
   * goes on, nobody knows of best-effort channels what was missed meanwhile.
   */
  const onListening = (isResumed: boolean) => {
    all.forEach((it) => {
      it.hasMissed_ = isResumed && it.sub_ && !it.isLive_;
      if (!isResumed) {
        it.isLive_ = false;
        it.owed_ = it.sub_ = undefined;
        sayDue = Infinity;
      } else if (it.isLive_ && !it.at_) gap(it, { reason: "slow" });
    });
    askAgain();
  };

  /** A frame about a channel, or the answer to a `$sub`; the code to close with, or nothing. */
  const onChannel = ({ ch = "", re, type, off, prev, payload }: Envelope): number | void => {
    // An `$err` names no channel.
    const it = all.get(ch) ?? [...all.values()].find((it) => it.sub_ === re);
    if (!it) return;
    const { at_: at, isLive_: isLive } = it;
    if (re) {
      if (it.sub_ !== re) return;
      if (type === `${ch.split("/")[0]}.snapshot`) {
        // The state of a channel: the answer to its `$sub` follows, or the events after `off` do.
        if (off == null) return 4500;
        const item: Item = { type: "$snapshot", payload };
        if (!isLive) it.snapshot_ = item;
        else if (at && goTo(it, off, at.off)) return it.tell_(item, off);
      } else if (isLive) return;
      else if (type === "$ok") {
        const { epoch, off } = payload as Done;
        it.isLive_ = true;
        it.at_ = epoch && off != null ? { epoch, off } : undefined;
        it.told_ = off;
        it.stands_(payload, it.snapshot_);
        if (it.hasMissed_ && !it.at_) return gap(it, { reason: "slow" });
      } else if (type === "$err") {
        forget(it);
        it.fail_(payload);
      }
    } else if (!isLive) return;
    else if (type[0] !== "$") {
      if (at) {
        if (off == null || prev == null) return 4500;
        if (!goTo(it, off, prev)) return;
      }
      off = at && off;
      return it.tell_({ type, payload, off }, off);
    } else if (type === "$unsubbed") {
      forget(it);
      it.fail_({ ...payload, message: payload.reason });
    } else if (type === "$live") return it.tell_({ type, off: off as number }, off);
    else if (type === "$gap") {
      const { after, until } = payload as Gap;
      if (at && until != null) {
        const { off } = at;
        // What lies between was in a gap whose word was lost with a connection.
        if (!goTo(it, until, Math.max(after ?? off, off))) return;
        if (after != null) payload.after = Math.max(after, off);
      }
      return gap(it, payload);
    }
  };

  /** The channels of an `$ack`, as many as fit; the rest follows in the next one. */
  const sayConsumed = (): Record<string, number> | undefined => {
    let said: Record<string, number> | undefined;
    let size = bound.RESERVE;
    sayDue = Infinity;
    all.forEach((it, ch) => {
      if (!it.owed_) return;
      size += ch.length + bound.CHANNEL;
      if (said && size > maxFrame) sayDue = -Infinity;
      else {
        said = { ...said, [ch]: it.owed_ };
        it.told_ = Math.max(it.told_ as number, it.owed_);
        it.owed_ = 0;
      }
    });
    return said;
  };

  // Sending.

  /** While the server acknowledges too little, only what may end a request passes. */
  const nextQueued = () =>
    sent.length < bound.FRAMES || queue[0]?.head.seq
      ? queue[0]
      : queue.find(({ head }) => /^\$c/.test(head.type));

  /** When the next message may leave. */
  const paceDue = () => Math.ceil(paid - ahead);

  /** The last check before a frame leaves: false when its call was settled instead. */
  const isReady = ({ head, body, call, check_: check }: Queued) => {
    if (!call || head.re) return !check || check();
    const { since = 0, removed = Infinity, deadline } = call;
    if (version < since || version >= removed) return settle(call, "unsupported", version);
    if (byteLength(body) + bound.HEAD > maxFrame) return fault(call, "too_large", "never");
    if (deadline <= now) return settle(call, "timeout");
    call.isSent_ = true;
    if (deadline < Infinity) head.ttl = Math.ceil(deadline - now);
    return true;
  };

  const self: Session = {
    format_: format,
    parts_: parts,
    calls_: calls,
    listened_: all,
    now_: () => now,
    maxFrame_: () => maxFrame,
    queue_: () => queue,
    isOpen_: () => isOpen,
    hasRoom_: hasRoom,
    push_: push,
    pushUrgent_: pushUrgent,
    sendCancel_: sendCancel,
    fault_: fault,
    fail_: fail,
    lose_: lose,

    at_(time) {
      now += Math.max(0, time - last);
      last = time;
      return self;
    },

    connect_(more) {
      const resume = grant && { session: grant.id, ticket: grant.ticket, recv };
      settleAck();
      isConnected = true;
      patience = now + bound.HELLO_MS;
      const ours = { protocol, version: versions, fingerprint, client };
      pushUrgent("$hello", { ...ours, ...more, resume, limits: { max_frame: largest, window } });
    },

    disconnected_(how) {
      urgent = [];
      if (!closed) end(how);
    },

    receive_(it: any = 4500) {
      if (!isConnected) return;
      const code = it.type ? onFrame(it) : it;
      patience = now + heartbeat.interval_ms;
      isAsked = false;
      if (code) fail(code);
    },

    call_(call) {
      const { type, body, ch, key } = call;
      const isFree = hasRoom();
      calls.set((call.id_ = isFree ? push(type, { ch, key }, null, { body, call }) : ""), call);
      return isFree || fault(call, "overloaded", "safe");
    },

    cancel_(call) {
      if (calls.get(call.id_ as string) !== call) return;
      if (call.isSent_) sendCancel(call);
      else fault(call, "cancelled", "safe");
    },

    subscribe_(it, ch, since) {
      if (all.has(ch)) throw new Error(`there is a subscription to ${ch}`);
      if (!hasRoom()) return false;
      it.ch_ = ch;
      it.at_ = since && { ...since };
      all.set(ch, it);
      askAgain();
      return true;
    },

    /**
     * What is on its way is ignored from now on. The `$ok` is a barrier: the same channel may be
     * asked for again at once, and what follows the answer to that is new.
     */
    unsubscribe_(it) {
      const { ch_: ch = "" } = it;
      if (all.get(ch) === it && forget(it) && it.sub_) push("$unsub", { ch });
    },

    consumed_(it, off) {
      const { at_: at, told_: told = 0 } = it;
      // A position above the last event belongs to an earlier history of the channel.
      if (it.isLive_ && at && off && off <= at.off && off > told) {
        owe(it, off, off - told < bound.ACK_EVENTS ? bound.ACK_MS : 0);
      }
    },

    probe_() {
      if (isOpen && patience > now + bound.PROBE_MS) ping(bound.PROBE_MS);
    },

    timeout_() {
      for (const call of calls.values()) {
        if (call.deadline > now) continue;
        if (call.isSent_) sendCancel(call);
        settle(call, "timeout");
      }
      if (isConnected && patience <= now) {
        const hasSlept = now - patience > bound.ASLEEP_MS;
        if (!isOpen) fail(4303);
        else if (!isAsked || hasSlept) ping(hasSlept ? bound.PROBE_MS : heartbeat.timeout_ms);
        else fail(4002);
      }
      for (const part of parts) part.timeout_?.();
    },

    transmit_() {
      const isOwed = isOpen && Math.min(ackDue, sayDue) <= now;
      if (isOwed && !urgent.length) pushUrgent("$ack", { ch: sayConsumed() });
      let it = urgent.shift();
      while (!it && isOpen && paceDue() <= now) {
        const next = nextQueued();
        if (!next) break;
        queue = queue.filter((other) => other !== next);
        if (!next.head.seq && !isReady(next)) continue;
        next.head.seq ??= ++lastSeq;
        sent.push(next);
        it = next;
      }
      if (it) {
        paid = Math.max(paid, now) + perMessage;
        // What was received rides on what leaves.
        it.head.ack = owed ? recv : undefined;
        settleAck();
      }
      return it;
    },

    closed_() {
      const it = closed;
      if (!it || urgent.length) return;
      closed = undefined;
      if (isFinal(it.code) || /^41/.test(it.code as any)) lose();
      return it;
    },

    due_() {
      const leaving = [ackDue, sayDue, nextQueued() ? paceDue() : Infinity];
      return Math.min(
        isConnected ? patience : Infinity,
        // What is due already waits for the socket alone.
        ...leaving.filter((time) => isOpen && time > now),
        ...[...calls.values()].map((call) => call.deadline),
        ...parts.map((part) => part.due_?.() ?? Infinity),
      );
    },
  };
  return self;
}
