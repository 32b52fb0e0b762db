import { Serving, type Request } from "../src/callbacks.js";
import type { Call, Closed, Reply } from "../src/events.js";
import type { Listened } from "../src/listening.js";
import { Renewing } from "../src/renewal.js";
import type { Session } from "../src/core.js";
import { session } from "../src/session.js";
import { credit } from "../src/streams.js";
import { Sending } from "../src/uploads.js";
import { json } from "../src/wire.js";
import type { Done, Envelope, Fault, Format, Gap } from "../src/wire.js";
import { Recording } from "./recording.js";
import { Short, duration, isWithin, position, said } from "./short.js";

export interface Block {
  name: string;
  lines: { number: number; text: string }[];
}

/** What the client told its application. */
type Told =
  | { on: "welcome"; welcome: any }
  | { on: "rejected"; reject: any }
  | { on: "closed"; by: string; closed: Closed }
  | { on: "answered"; call: Call; reply: Reply }
  | { on: "item"; call: Call; payload: unknown }
  | { on: "granted"; call: Call; n: number }
  | { on: "request"; request: Request }
  | { on: "stop"; request: Request; why: string }
  | { on: "auth_required" | "renewed" }
  | { on: "not_renewed"; fault: Fault }
  | { on: "subscribed"; ch: string; done: Done }
  | { on: "not_subscribed" | "ended"; ch: string; fault: Fault }
  | { on: "snapshot"; ch: string; payload: unknown }
  | { on: "delivered"; ch: string; type: string; payload: unknown; off: number | undefined }
  | { on: "gap"; ch: string; gap: Gap }
  | { on: "live"; ch: string; off: number };

/** The blocks of a page that are marked `session`. */
export function blocks(file: string, text: string): Block[] {
  const found: Block[] = [];
  let open: Block | undefined;
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (open && line === "```") {
      found.push(open);
      open = undefined;
    } else if (open && line && !line.startsWith("#")) {
      open.lines.push({ number: at + 1, text: line });
    } else if (line === "```session") {
      open = { name: `${file}:${at + 1}`, lines: [] };
    }
  }
  return found;
}

/** Runs one block; throws with the line, what was expected, and what came. */
export function run(block: Block, format = json, hasParts = true): void {
  const isScripted = block.lines.some(({ text }) => text === "peer S");
  const room = new Room(block, isScripted, format, hasParts);
  for (const { number, text } of [...block.lines, { number: 0, text: "-- 0ms" }]) {
    try {
      room.step(text);
    } catch (error) {
      throw new Error(`${block.name}, line ${number}: ${text}\n  ${(error as Error).message}`);
    }
  }
}

/** The client under test, and the recording of its server. */
class Room {
  #now = 0;
  #session: Session;
  #server = new Recording();
  #labels = new Map<string, string>();
  #serving!: Serving;
  #renewing!: Renewing;
  #calls: Call[] = [];
  #uploads: Sending[] = [];
  #listened = new Map<string, Listened>();
  #told: Told[] = [];
  /** The type of the last frame of the server. */
  #carried = "";
  #isConnected = false;
  /** Who ends the connection, where it is this client. */
  #closing: string | undefined;
  #requests: Request[] = [];
  #isFull = false;
  #ids = 0;
  #versions: [number, number] = [1, 3];
  #maxFrame = 65_536;

  constructor(
    block: Block,
    readonly isScripted: boolean,
    readonly format: Format,
    hasParts: boolean,
  ) {
    for (const { text } of block.lines) {
      const [, name, value] = /^config C version_(min|max)=(\d+)$/.exec(text) ?? [];
      if (name) this.#versions[name === "min" ? 0 : 1] = Number(value);
      const [, bytes] = /^config C max_frame=(\d+)$/.exec(text) ?? [];
      if (bytes) this.#maxFrame = Number(bytes);
    }
    this.#session = session({
      protocol: "chat",
      versions: this.#versions,
      id: () => `00000000-0000-4000-8000-${String(++this.#ids).padStart(12, "0")}`,
      format,
      welcome_: (welcome) => this.#tell({ on: "welcome", welcome }),
      maxFrame: this.#maxFrame,
    });
    if (hasParts) this.#takeParts();
  }

  #tell(event: Told): void {
    this.#told.push(event);
  }

  #takeParts(): void {
    this.#renewing = new Renewing(this.#session);
    this.#renewing.ask_ = async () => this.#tell({ on: "auth_required" });
    this.#renewing.told_ = (on, fault) =>
      this.#tell(on === "renewed" ? { on } : { on, fault: fault as Fault });
    this.#serving = new Serving(this.#session, { confirm: {}, locate: { since: 2 } });
    this.#serving.serve_ = async (request) => this.#tell({ on: "request", request });
    this.#serving.stop_ = async (request, why) => this.#tell({ on: "stop", request, why });
    this.#session.parts_.push(this.#renewing, this.#serving);
  }

  step(text: string): void {
    const space = text.indexOf(" ");
    const [first, rest] = [text.slice(0, space), text.slice(space + 1)];
    if (first === "C:") return this.#expectFrame(Short.parse(rest), true);
    if (first === "C") return this.#ofClient(rest);
    if (first === "S:") {
      if (this.isScripted) this.#expectQuiet();
      const frame = this.#server.frame(Short.parse(rest), this.#labels, this.isScripted);
      this.#carried = frame.type;
      return this.#carry(write(this.format, frame));
    }
    if (first === "--") return this.#time(rest);
    if (first === "config") return this.#config(rest);
    if (first === "S") return this.#ofServer(rest);
  }

  #config(rest: string): void {
    const [, side, name, value] = /^([CS]) (\w+)=(\d+)$/.exec(rest) ?? [];
    if (side === "S") this.#server.config(name as string, Number(value));
    if (name === "max_in_flight" && side === "C") this.#serving.inFlight = Number(value);
    if (name === "max_queued" && side === "C") this.#serving.queued = Number(value);
  }

  #ofServer(rest: string): void {
    const [what, short] = [rest.split(" ")[0], Short.parse(rest.slice(rest.indexOf(" ") + 1))];
    if (what === "app<") this.#server.tell(short);
    if (what === "app>") this.#server.command(short);
    // It counts as sent, and does not arrive.
    if (what === "lost:") this.#server.frame(short, this.#labels, this.isScripted);
    if (what === "raw:") this.#session.at_(this.#now).receive_(json.read(rest.slice(5)));
    if (what === "breaks:") {
      const code = rest.endsWith("too_large") ? 4503 : 4504;
      this.#session.at_(this.#now).fail_(code);
    }
  }

  #ofClient(rest: string): void {
    if (rest === "full" || rest === "free") {
      this.#isFull = rest === "full";
      return;
    }
    const space = rest.indexOf(" ");
    const [what, short] = [rest.slice(0, space), Short.parse(rest.slice(space + 1))];
    if (what === "lost:") return this.#expectFrame(short, false);
    if (what === "app<") return this.#expectEvent(short);
    this.#expectQuiet();
    const isTaken = this.#command(short);
    if (isTaken !== (what === "app>")) throw new Error(isTaken ? "it was taken" : "misuse");
  }

  #expectFrame(short: Short, arrives: boolean): void {
    const frame = this.#transmit();
    if (!frame) throw new Error("nothing was sent");
    const fail = (why: string) => {
      throw new Error(`${why}\n  sent: ${JSON.stringify(frame)}`);
    };
    if (frame.type !== short.type) fail("another type");
    if (short.label !== undefined) {
      const known = this.#labels.get(short.label) ?? frame.id;
      this.#labels.set(short.label, known);
      if (known !== frame.id) fail(`\`#${short.label}\` is another message`);
    }
    if (short.re !== undefined && this.#labels.get(short.re) !== frame.re) fail("another `re`");
    for (const name of ["seq", "ack", "off", "prev", "ttl", "ch", "key"] as const) {
      const expected = short.field(name);
      if (expected !== undefined && expected !== String(frame[name] ?? "-")) fail(name);
    }
    const expected = frame.type.startsWith("$") ? said(short) : short.json;
    const isSame = frame.type.startsWith("$")
      ? isWithin(expected, frame.payload)
      : JSON.stringify(expected) === JSON.stringify(frame.payload);
    if (expected !== undefined && !isSame) fail("another payload");
    if (arrives) this.#server.take(frame);
  }

  #expectEvent(short: Short): void {
    // Who left a channel is told nothing more, not even that the server knows.
    if (short.first === "unsubscribed") return;
    let event = this.#heard();
    if (!event && !this.#isFull) {
      const frame = this.#transmit();
      if (frame) throw new Error(`unshown: ${JSON.stringify(frame)}`);
      event = this.#heard();
    }
    if (!event) throw new Error("nothing was told");
    const told = this.#shortOf(event);
    const isSame = short.json === undefined || isWithin(short.json, told.json);
    if (short.words.join(" ") !== told.words.join(" ") || !isSame) throw new Error(`told: ${told}`);
  }

  #expectQuiet(): void {
    const frame = this.#isFull ? undefined : this.#transmit();
    if (frame) throw new Error(`unshown: ${JSON.stringify(frame)}`);
    const event = this.#heard();
    if (event) throw new Error(`unshown: C app< ${this.#shortOf(event)}`);
  }

  /** The next thing that was told; the end of a connection, when nothing else is left. */
  #heard(): Told | undefined {
    const closed = this.#told.length ? undefined : this.#session.closed_();
    if (closed) {
      const by = this.#closing ?? (closed.code === 1006 ? "network" : "peer");
      const { reject } = closed;
      // What the end of the session settles is told after it.
      this.#told.unshift({ on: "closed", by, closed });
      if (reject) this.#told.unshift({ on: "rejected", reject });
      this.#isConnected = false;
      this.#closing = undefined;
    }
    return this.#told.shift();
  }

  #transmit(): Envelope | undefined {
    const frame = this.#session.transmit_();
    if (!frame) return;
    const { format } = this;
    const { type } = frame.head;
    if (type === "$close") this.#closing ??= "session";
    // No server sends these, so no client reads them.
    const isOurs = /^\$(sub|unsub|auth)$/.test(type);
    const head = isOurs ? { ...frame.head, type: "ours" } : frame.head;
    const read = format.read(format.write({ ...frame, head }));
    if (Object(read) !== read) throw new Error(`what was sent is no envelope: ${type}`);
    return { ...(read as Envelope), type };
  }

  #carry(message: unknown): void {
    this.#session.at_(this.#now).receive_(this.format.read(message));
  }

  #time(rest: string): void {
    this.#expectQuiet();
    const [word, more = ""] = rest.split(" ");
    if (word === "lost") {
      const isOurs = more !== "S" && this.#isConnected;
      if (isOurs) this.#session.at_(this.#now).disconnected_({ code: 1006, reason: "" });
    } else if (word === "asleep") {
      this.#now += duration(more);
      this.#session.at_(this.#now).timeout_();
    } else {
      this.#wait(this.#now + duration(rest));
    }
  }

  #wait(until: number): void {
    for (let due; (due = this.#session.due_()) <= until; ) {
      this.#now = Math.max(this.#now, due);
      this.#session.at_(this.#now).timeout_();
      if (this.#now >= until) break;
      this.#expectQuiet();
      if (this.#session.due_() <= this.#now) throw new Error("a timer does not advance");
    }
    this.#now = until;
    this.#session.at_(until).timeout_();
  }

  #command(short: Short): boolean {
    const session = this.#session.at_(this.#now);
    const call = this.#calls[Number(short.at(1))] as Call;
    const body = this.format.body(short.json);
    const ttl = short.field("ttl");
    const deadline = ttl === undefined ? Infinity : this.#now + duration(ttl);
    switch (short.first) {
      case "connect": {
        if (this.#isConnected) return false;
        this.#isConnected = true;
        const token = short.field("token");
        const versions = short.at(1).split("..").map(Number);
        const protocol = short.field("protocol");
        session.connect_({
          ...(protocol && { protocol }),
          ...(versions.length === 2 && { version: versions }),
          ...(token && { auth: { token } }),
        });
        return true;
      }
      case "auth":
        return this.#renewing.auth(short.at(1));
      case "call":
      case "publish": {
        const isCall = short.first === "call";
        const more: Record<string, unknown> = isCall ? {} : { ch: short.at(2) };
        for (const name of ["since", "removed"]) {
          if (short.field(name)) more[name] = short.number(name);
        }
        if (short.field("key")) more.key = short.field("key");
        const made: Call = { type: short.at(isCall ? 2 : 3), body, deadline, ...more };
        const at = Number(short.at(1));
        this.#calls[at] = made;
        if (!session.call_(made)) return false;
        this.#listen(made, at);
        const most = short.number("credit");
        if (most) credit(session, made, most);
        return true;
      }
      case "cancel":
        session.cancel_(call);
        return true;
      case "credit":
        credit(session, call, Number(short.at(2)));
        return true;
      case "part":
        return (this.#uploads[Number(short.at(1))] as Sending).part(session, body);
      case "end":
        (this.#uploads[Number(short.at(1))] as Sending).end(session);
        return true;
      case "subscribe":
        {
        const ch = short.at(1);
        const listened = this.#listener(ch);
        const isTaken = session.subscribe_(listened, ch, position(short.field("since")));
        if (isTaken) this.#listened.set(ch, listened);
        return isTaken;
      }
      case "unsubscribe":
        session.unsubscribe_(this.#listened.get(short.at(1)) ?? this.#listener(""));
        return true;
      case "consumed": {
        const listened = this.#listened.get(short.at(1)) ?? this.#listener("");
        session.consumed_(listened, Number(short.at(2)));
        return true;
      }
      case "close":
        this.#closing = "application";
        session.fail_(Number(short.at(1)), "as told");
        return true;
      case "answer": {
        const request = this.#requests[Number(short.at(1))] as Request;
        const word = short.at(2);
        const fault = { code: short.at(3), message: "as told", retry: "unknown" as const };
        const answer = word === "ok" ? { ok: short.json } : { err: short.json };
        this.#serving.answer(request, word === "fault" ? { fault } : answer);
        return true;
      }
    }
    throw new Error("no command of this side");
  }

  #listener(ch: string): Listened {
    let at = 0;
    return {
      stands_: (done, snapshot: any) => {
        at = done.off ?? 0;
        if (snapshot) this.#tell({ on: "snapshot", ch, payload: snapshot.payload });
        this.#tell({ on: "subscribed", ch, done });
      },
      tell_: (item: any, off = at) => {
        const after = at;
        at = off;
        const { type, payload, ...more } = item;
        if (type === "$live") return this.#tell({ on: "live", ch, off });
        if (type === "$gap") return this.#tell({ on: "gap", ch, gap: more });
        if (type !== "$snapshot") return this.#tell({ on: "delivered", ch, ...item });
        // It stands for what is missing.
        this.#tell({ on: "snapshot", ch, payload });
        this.#tell({ on: "gap", ch, gap: { reason: "trimmed", after, until: off } });
      },
      fail_: (fault) => {
        const on = this.#carried === "$err" ? "not_subscribed" : "ended";
        this.#tell({ on, ch, fault });
      },
    };
  }

  /** What a stream or an upload hears of its call is told with what the session tells. */
  #listen(call: Call, at: number): void {
    call.take_ = (reply) => this.#tell({ on: "answered", call, reply });
    this.#uploads[at] = new Sending(call, (n) => this.#tell({ on: "granted", call, n }));
    const { hear_: hear } = call;
    call.hear_ = (frame) => {
      if (frame.type !== `${call.type}.item`) return hear?.(frame) ?? false;
      this.#tell({ on: "item", call, payload: frame.payload });
      return true;
    };
  }

  #shortOf(event: Told): Short {
    const short = (...words: unknown[]) => new Short([event.on, ...words.map(String)]);
    const json = (it: Short, value: unknown) => new Short(it.words, value);
    switch (event.on) {
      case "welcome":
        return short(event.welcome.version);
      case "rejected":
        return short(event.reject.close);
      case "closed": {
        const { code, retry_after_ms: retry } = event.closed;
        return short(event.by, code, ...(retry ? [`retry=${retry[0]}..${retry[1]}ms`] : []));
      }
      case "answered":
        return this.#replyOf(event.reply, this.#calls.indexOf(event.call), !!event.call.ch);
      case "item":
        return json(short(this.#calls.indexOf(event.call)), event.payload);
      case "granted":
        return short(this.#calls.indexOf(event.call), event.n);
      case "request": {
        const at = Math.max(1, this.#requests.push(event.request) - 1);
        this.#requests[at] = event.request;
        return json(short(at, event.request.type), event.request.payload);
      }
      case "stop":
        return short(this.#requests.lastIndexOf(event.request), event.why);
      case "subscribed":
        return json(short(event.ch), event.done);
      case "snapshot":
        return json(short(event.ch), event.payload);
      case "not_subscribed":
      case "ended":
        return short(event.ch, event.fault.code);
      case "delivered":
        return json(short(event.ch, event.off ?? "-", event.type), event.payload);
      case "gap": {
        const { reason, ...rest } = event.gap;
        const more = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
        return short(event.ch, reason, ...more);
      }
      case "auth_required":
      case "renewed":
        return short();
      case "not_renewed":
        return short(event.fault.code);
      case "live":
        return short(event.ch, event.off);
    }
  }

  #replyOf(reply: Reply, call: number, isPublished: boolean): Short {
    const kind = reply.kind === "ok" && isPublished ? "published" : reply.kind;
    const words = ["answered", String(call), kind];
    const snake = reply.outcome.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
    switch (reply.kind) {
      case "ok":
      case "err":
        return new Short(words, reply.payload);
      case "fault":
        return new Short([...words, reply.payload.code, snake]);
      case "unsupported":
        return new Short([...words, String(reply.payload)]);
      default:
        return new Short([...words, snake]);
    }
  }
}

/** What a server sends, in either format. */
function write(format: Format, { payload, ...head }: Envelope): unknown {
  if (format === json) return JSON.stringify({ ...head, payload });
  return format.write({ head, body: format.body(payload) });
}
