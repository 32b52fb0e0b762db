import { Short, merge, position, said } from "./short.js";
import type { Envelope } from "../src/wire.js";

/** What a fault says about another attempt, where nothing else is said. */
const RETRIES: Record<string, string> = {
  unimplemented: "never",
  invalid: "never",
  unauthorized: "never",
  forbidden: "never",
  not_found: "never",
  too_large: "never",
  rate_limited: "after",
  overloaded: "safe",
  draining: "safe",
  deadline: "unknown",
  cancelled: "unknown",
  internal: "unknown",
};

/**
 * The server of a transcript as a recording: what it sends is written as frames, and what a frame
 * does not say stands in the commands of its application before it.
 */
export class Recording {
  /** The highest `seq` of the client that arrived. */
  recv = 0;
  #seq = 0;
  #sessions = 0;
  #tickets = 0;
  #limits: Record<string, number> = {};
  #interval = 30_000;
  #resumes = false;
  #version = 3;
  #requests: Envelope[] = [];
  #works: (Envelope | undefined)[] = [undefined];
  #questions: string[] = [""];
  #commands: Short[] = [];
  #channels = new Map<string, string>();
  #named = 0;
  #labelled = new Map<string, Envelope>();
  #isDraining = false;

  /** A line `config S name=number`. */
  config(name: string, value: number): void {
    if (name === "heartbeat_interval_ms") this.#interval = value;
    else this.#limits[name] = value;
  }

  /** A frame of the client arrived. */
  take(frame: Envelope): void {
    if (frame.type === "$hello" && !frame.payload.resume) this.recv = 0;
    if (frame.seq !== undefined) this.recv = Math.max(this.recv, frame.seq);
    if (frame.ch !== undefined) this.#channels.set(frame.id, frame.ch);
    this.#requests.push(frame);
  }

  /** A line `S app< ..`: which request or question a number names. */
  tell(event: Short): void {
    if (event.first === "request") {
      const type = event.at(2);
      const at = this.#requests.findIndex((frame) => frame.type === type && !frame.re && !frame.ch);
      if (at >= 0) this.#works[Number(event.at(1))] = this.#requests.splice(at, 1)[0];
    } else if (event.first === "hello") {
      this.#version = Number(event.at(1));
    } else if (event.first === "subscribe" || event.first === "publish") {
      this.#questions[Number(event.at(1))] = event.at(2);
    }
  }

  /** A line `S app> ..`. */
  command(command: Short): void {
    if (command.first === "accept") {
      this.#sessions = ++this.#tickets;
      this.#resumes = false;
      this.#seq = this.recv = 0;
      this.#works = [undefined];
      this.#questions = [""];
    } else if (command.first === "resume") {
      this.#tickets++;
      this.#resumes = true;
    }
    if (command.first === "drain") this.#isDraining = true;
    if (command.first === "accept") this.#isDraining = false;
    this.#commands.push(command);
  }

  /** The frame that a line shows, filled in. */
  frame(short: Short, labels: Map<string, string>, isScripted: boolean): Envelope {
    const { type, label, re } = short;
    const before = isScripted ? undefined : this.#labelled.get(label ?? "");
    if (before) return { ...before };
    const fresh = `00000000-0000-7000-8000-${String(++this.#named).padStart(12, "0")}`;
    const id = (label !== undefined && labels.get(label)) || fresh;
    if (label !== undefined) labels.set(label, id);
    const frame: Envelope = { type, id, ts: 0, payload: undefined };
    for (const name of ["ack", "off", "prev", "ttl"] as const) {
      const value = short.number(name);
      if (value !== undefined) frame[name] = value;
    }
    const ch = short.field("ch");
    if (ch !== undefined) frame.ch = ch;
    if (re !== undefined) frame.re = labels.get(re) ?? "";
    const isAboutChannel = type === "$ok" || type.endsWith(".snapshot");
    if (isAboutChannel && frame.re) frame.ch ??= this.#channels.get(frame.re) ?? "";
    const template = this.#template(type, isScripted);
    frame.payload = type.startsWith("$") ? merge(template, said(short)) : short.json;
    if (type === "$err" && !isScripted) {
      frame.payload = merge({ ...frame.payload, retry: RETRIES[frame.payload.code] }, short.json);
    }
    this.#fill(frame, short);
    if (frame.payload === undefined) frame.payload = null;
    if (type === "$welcome" && !frame.payload.session.resumed) this.#seq = 0;
    this.#place(frame, short);
    if (label !== undefined) this.#labelled.set(label, { ...frame });
    return frame;
  }

  #place(frame: Envelope, short: Short): void {
    const { type, re, ch } = frame;
    const seq = short.field("seq");
    const isPlaced = type.startsWith("$")
      ? /^\$(cancel|credit|end|sub|unsub|ok|err|unsubbed)$/.test(type)
      : re !== undefined || ch === undefined;
    if (seq === undefined ? isPlaced : seq !== "-") {
      frame.seq = seq === undefined ? ++this.#seq : Number(seq);
      this.#seq = Math.max(this.#seq, frame.seq);
    }
  }

  /** What the commands of the application say about a frame. */
  #fill(frame: Envelope, short: Short): void {
    const { type, ch, re } = frame;
    const find = (is: (it: Short) => boolean) => {
      const at = this.#commands.findIndex(is);
      return at < 0 ? undefined : this.#commands.splice(at, 1)[0];
    };
    const payload = (it: Short | undefined) => {
      const bytes = it?.number("bytes");
      if (frame.payload === undefined) frame.payload = bytes ? "x".repeat(bytes) : it?.json;
    };
    const word = type.split(".").at(-1) ?? "";
    if (type === "$ok") {
      const decide = find((it) => it.first === "decide" && this.#questions[+it.at(1)] === ch);
      const at = position(decide?.field("at"));
      const recovered = decide?.field("recovered");
      const reason = recovered && recovered !== "yes" ? { reason: recovered } : {};
      const isRecovered = recovered ? { recovered: recovered === "yes", ...reason } : {};
      frame.payload = merge({ ...at, ...isRecovered }, short.json);
    } else if (type.startsWith("$") || word === "part") {
      return;
    } else if (re !== undefined && ch !== undefined) {
      const snapshot = find((it) => it.first === "snapshot" && it.at(1) === ch);
      payload(snapshot);
      frame.off ??= Number(snapshot?.at(2) ?? 0);
    } else if (re !== undefined) {
      const name = word === "item" ? "item" : "answer";
      payload(find((it) => it.first === name && this.#works[+it.at(1)]?.id === re));
    } else {
      const call = find((it) => it.first === "call" && it.at(2) === type);
      if (call) return payload(call);
      const isIt = (it: Short) =>
        /deliver|pass/.test(it.first) &&
        it.at(1) === (ch ?? it.at(1)) &&
        it.at(2) === type &&
        it.number("off") === (frame.off ?? it.number("off"));
      const event = find(isIt);
      payload(event);
      if (!event) return;
      frame.ch ??= event.at(1);
      for (const name of ["off", "prev"] as const) {
        const value = event.number(name);
        if (value !== undefined) frame[name] ??= value;
      }
    }
  }

  #template(type: string, isScripted: boolean): any {
    const fault = { code: "internal", message: "as told", retry: "unknown" };
    const { rate_per_s = 200, rate_burst = 400, max_frame = 65_536 } = this.#limits;
    const rate = { per_s: rate_per_s, burst: rate_burst };
    const [id, ticket] = isScripted
      ? ["session", "ticket"]
      : [`s${this.#sessions}`, `t${this.#tickets}`];
    const resumed = this.#resumes && !isScripted;
    switch (type) {
      case "$welcome":
        return {
          version: isScripted ? 3 : this.#version,
          session: { id, ticket, ttl_ms: 120_000, resumed },
          recv: resumed ? this.recv : 0,
          heartbeat: { interval_ms: this.#interval, timeout_ms: 10_000 },
          limits: { max_frame, max_in_flight: 64, max_subs: 128, window: 256, rate },
          server: { node: "node", now: 0 },
        };
      case "$reject":
        return { close: 4511, error: fault, protocol: "chat", supported: [1, 3] };
      case "$ping":
        return { t: 0 };
      case "$pong":
        return { t: 0, now: 0 };
      case "$close":
        return {
          code: 1000,
          reason: "as told",
          ...(this.#isDraining && { retry_after_ms: [1000, 5000] }),
        };
      case "$err":
        return fault;
      case "$unsubbed":
        return { code: "internal", reason: "as told", retry: "never" };
      case "$gap":
        return { reason: "slow" };
      case "$auth_required":
        return { within_ms: 25_000 };
      case "$auth_ok":
      case "$ack":
      case "$credit":
      case "$ok":
        return {};
    }
  }
}
