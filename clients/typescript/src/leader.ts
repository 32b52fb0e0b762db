import type { Client, State } from "./client.js";
import { CallError } from "./errors.js";
import { uuid } from "./socket.js";
import type { Subscription } from "./subscription.js";
import type { Done, Fault, Gap, Position } from "./wire.js";

/** Items that one tab may have unread; past it the tab is told a gap. */
const WINDOW = 1024;

/** What happens on a channel, as tabs tell each other. */
export type About = { ch: string } & (
  | { on: "snapshot"; payload: unknown; off?: number | undefined }
  | { on: "subscribed"; done: Done }
  | { on: "ended"; fault: Fault }
  | { on: "delivered"; type: string; payload: unknown; off: number | undefined }
  | { on: "gap"; gap: Gap }
  | { on: "live"; off: number }
);

/** What a tab says to its leader. */
export type FromTab =
  | { on: "hello" | "bye" }
  | {
      on: "call" | "publish";
      n: number;
      type: string;
      ch?: string;
      payload: unknown;
      timeoutMs?: number | undefined;
      key?: string | undefined;
    }
  | { on: "cancel"; n: number }
  | { on: "join"; ch: string; id: number; since?: Position | undefined }
  | { on: "leave" | "read"; ch: string; id: number };

/** What a `CallError` is between tabs. */
export interface SentError {
  kind: CallError["kind"];
  outcome: CallError["outcome"];
  message: string;
  error?: unknown;
  fault?: Fault | undefined;
}

/** What a leader says to a tab, or to all. */
export type FromLeader = { to: string; leader: string } & (
  | { on: "state"; state: State; error?: { code?: number; message: string; reject?: any } }
  | { on: "taken"; n: number }
  | { on: "answered"; n: number; value?: unknown; error?: SentError }
  | { on: "event"; id: number; event: About }
);

type Message<M = FromLeader> = M extends any ? Omit<M, "to" | "leader"> : never;

/** One subscription of one tab. */
interface Reader {
  tab: string;
  id: number;
  since?: Position | undefined;
  /** It was told that it stands. */
  stands: boolean;
  /** The last position it was sent, or is not to be sent. */
  at: number;
  isReplayed: boolean;
  unread: number;
  /** What it is not sent while too much is unread. */
  missed?: Gap | undefined;
}

/** One subscription of the session, and who reads it. */
interface Shared {
  it: Subscription<any>;
  since?: Position | undefined;
  at?: Position | undefined;
  stands: boolean;
  /** Whether a subscription without a position may bring a snapshot: until one brought none. */
  mayHaveSnapshot: boolean;
  snapshot?: About | undefined;
  readers: Reader[];
}

/** The tab that has the connection: it asks and listens for all (see `SharedClient`). */
export class Leader {
  readonly #id = uuid();
  readonly #own: string;
  readonly #client: Client<any>;
  readonly #post: (message: FromLeader) => void;
  readonly #gone: (tab: string, run: () => void) => void;
  readonly #tabs = new Set<string>();
  readonly #calls = new Map<string, AbortController>();
  readonly #channels = new Map<string, Shared>();
  #isOver = false;

  constructor(
    own: string,
    client: Client<any>,
    post: (message: FromLeader) => void,
    gone: (tab: string, run: () => void) => void,
  ) {
    this.#own = own;
    this.#client = client;
    this.#post = post;
    this.#gone = gone;
    client.onState(() => this.#tellState("all"));
    this.#tellState("all");
  }

  /** Leads no more; whoever follows has a session of its own. */
  stop(): void {
    this.#isOver = true;
    this.#client.close();
  }

  receive(tab: string, it: FromTab): void {
    switch (it.on) {
      case "hello":
        this.#greet(tab);
        break;
      case "bye":
        this.#drop(tab);
        break;
      case "call":
      case "publish":
        void this.#ask(tab, it);
        break;
      case "cancel":
        this.#calls.get(`${tab} ${it.n}`)?.abort();
        break;
      case "join":
        this.#join(it.ch, tab, it.id, it.since);
        break;
      case "leave":
        this.#leave(it.ch, (reader) => reader.tab === tab && reader.id === it.id);
        break;
      case "read":
        this.#read(tab, it.ch, it.id);
    }
  }

  #greet(tab: string): void {
    this.#tellState(tab);
    if (tab === this.#own || this.#tabs.has(tab)) return;
    this.#tabs.add(tab);
    this.#gone(tab, () => this.#drop(tab));
  }

  #drop(tab: string): void {
    this.#tabs.delete(tab);
    for (const [name, stop] of this.#calls) if (name.startsWith(`${tab} `)) stop.abort();
    for (const ch of [...this.#channels.keys()]) this.#leave(ch, (reader) => reader.tab === tab);
  }

  async #ask(tab: string, it: Extract<FromTab, { n: number; type: string }>): Promise<void> {
    const { n, type, ch = "", payload, timeoutMs, key } = it;
    const name = `${tab} ${n}`;
    const stop = new AbortController();
    const options = { signal: stop.signal, timeoutMs, key };
    if (this.#calls.has(name) || this.#isOver) return;
    this.#calls.set(name, stop);
    // Before it is asked: what is not taken may be asked of another leader.
    this.#tell(tab, { on: "taken", n });
    try {
      const value = await (it.on === "call"
        ? this.#client.call(type, payload, options)
        : this.#client.publish(ch, type as never, payload as never, options));
      this.#tell(tab, { on: "answered", n, value });
    } catch (failed) {
      // What ends with this leader is for the next one to ask again, or for the tab to judge.
      if (!this.#isOver) this.#tell(tab, { on: "answered", n, error: sent(failed) });
    } finally {
      this.#calls.delete(name);
    }
  }

  #join(ch: string, tab: string, id: number, since?: Position): void {
    const known = this.#channels.get(ch);
    if (this.#isOver || known?.readers.some((it) => it.tab === tab && it.id === id)) return;
    const counts = { stands: false, at: Infinity, isReplayed: false, unread: 0 };
    const reader: Reader = { tab, id, since, ...counts };
    if (!known) {
      const fresh = { stands: false, mayHaveSnapshot: true, readers: [reader] };
      this.#open(ch, fresh as unknown as Shared, since);
    } else {
      known.readers.push(reader);
      if (known.stands) this.#admit(ch, known);
    }
  }

  /** Tells who joined a subscription that stands; asks anew where what they want lies behind. */
  #admit(ch: string, shared: Shared): void {
    const { at } = shared;
    const behind: Reader[] = [];
    for (const reader of shared.readers.filter((it) => !it.stands)) {
      const { since } = reader;
      const isOn = since && at && since.epoch === at.epoch;
      if (!at) this.#stand(ch, reader, {});
      else if (isOn && since.off >= at.off) {
        this.#stand(ch, reader, { ...since, recovered: true });
        const event = { on: "live" as const, ch, off: at.off };
        this.#tell(reader.tab, { on: "event", id: reader.id, event });
      } else if (isOn || shared.mayHaveSnapshot) behind.push(reader);
      else if (since) this.#stand(ch, reader, { ...at, recovered: false, reason: "epoch" });
      else this.#stand(ch, reader, { ...at });
    }
    if (!behind.length) return;
    const wants = behind.map((reader) => reader.since);
    const isFresh = wants.some((since) => !since || since.epoch !== at?.epoch);
    const off = Math.min(...wants.map((since) => since?.off ?? Infinity));
    shared.it.close();
    this.#open(ch, shared, isFresh ? undefined : { epoch: (at as Position).epoch, off });
  }

  #stand(ch: string, reader: Reader, done: Extract<About, { on: "subscribed" }>["done"]): void {
    reader.stands = true;
    reader.at = done.off ?? 0;
    this.#tell(reader.tab, { on: "event", id: reader.id, event: { on: "subscribed", ch, done } });
  }

  #open(ch: string, shared: Shared, since?: Position): void {
    const it: Subscription<any> = this.#client.subscribe(ch, { since });
    this.#channels.set(ch, Object.assign(shared, { it, since, stands: false }));
    // The session is asked for nothing while it tells something.
    const hear = (event: About) =>
      queueMicrotask(() => {
        const isHeard = shared.it === it && this.#channels.get(ch) === shared;
        if (isHeard) this.#hear(ch, shared, event);
      });
    it.stands_ = (done, snapshot: any) => {
      if (snapshot) hear({ on: "snapshot", ch, payload: snapshot.payload });
      hear({ on: "subscribed", ch, done });
    };
    it.tell_ = (item, off) => hear(aboutOf(ch, item, off));
    it.fail_ = (fault) => hear({ on: "ended", ch, fault });
    // With the client the tabs are told of its end.
    it.end_ = () => {};
  }

  #leave(ch: string, isIt: (reader: Reader) => boolean): void {
    const shared = this.#channels.get(ch);
    if (!shared) return;
    shared.readers = shared.readers.filter((reader) => !isIt(reader));
    if (shared.readers.length) return;
    this.#channels.delete(ch);
    shared.it.close();
  }

  #hear(ch: string, shared: Shared, event: About): void {
    if (event.on === "snapshot") {
      const { off: until } = event;
      shared.snapshot = event;
      if (until === undefined) return;
      // It stands for what is missing.
      const gap: Gap = { reason: "trimmed", after: shared.at?.off ?? 0, until };
      event = { on: "gap", ch, gap };
    }
    if (event.on === "subscribed") return this.#onSubscribed(ch, shared, event);
    if (!("off" in event) && event.on !== "gap") {
      this.#channels.delete(ch);
      for (const { tab, id } of shared.readers) this.#tell(tab, { on: "event", id, event });
      return;
    }
    const off = event.on === "gap" ? event.gap.until : event.off;
    if (off !== undefined) {
      if (shared.at) shared.at.off = Math.max(shared.at.off, off);
      // Each tab has a bound of its own: a slow one does not hold the others up.
      this.#client.inside.at_().consumed_(shared.it, off);
      this.#client.inside.pump_();
    }
    for (const reader of shared.readers) if (reader.stands) this.#carry(shared, reader, event, off);
    if (event.on === "gap") shared.snapshot = undefined;
  }

  #onSubscribed(ch: string, shared: Shared, event: Extract<About, { on: "subscribed" }>): void {
    const { epoch, off, recovered } = event.done;
    const before = shared.at;
    const { since, snapshot } = shared;
    shared.at = epoch !== undefined && off !== undefined ? { epoch, off } : undefined;
    shared.stands = true;
    shared.snapshot = undefined;
    if (!recovered) shared.mayHaveSnapshot = !!snapshot;
    for (const reader of shared.readers) {
      const { tab, id } = reader;
      if (reader.stands) {
        // What it has, it is not sent again.
        const isSame = !!before && before.epoch === epoch;
        const hasAll = recovered || (isSame && off !== undefined && off <= reader.at);
        if (reader.at === Infinity && !recovered) reader.at = off ?? 0;
        if (hasAll && !snapshot) continue;
        if (snapshot || !isSame) {
          reader.missed = undefined;
          if (snapshot) this.#tell(tab, { on: "event", id, event: snapshot });
          this.#stand(ch, reader, { ...event.done, recovered: false });
          continue;
        }
        // The log may still have what this one lacks.
        reader.stands = false;
        reader.since = { epoch: epoch as string, off: reader.at };
      }
      const own = reader.since;
      const isMine = own?.epoch === since?.epoch && own?.off === since?.off;
      if (recovered && own && own.epoch === epoch && own.off >= (since?.off ?? Infinity)) {
        this.#stand(ch, reader, { ...own, recovered: true });
        reader.isReplayed = true;
      } else if (!recovered && (isMine || own?.epoch !== epoch)) {
        if (snapshot) this.#tell(tab, { on: "event", id, event: snapshot });
        this.#stand(ch, reader, own ? { ...event.done, recovered: false } : event.done);
      } else if (recovered && !own && !shared.mayHaveSnapshot) {
        // What is replayed for others is not for this one.
        this.#stand(ch, reader, { epoch: epoch as string, off: off as number });
        reader.at = Infinity;
      }
    }
    this.#admit(ch, shared);
  }

  /** One event to one tab, if it does not have it, and if it reads. */
  #carry(shared: Shared, reader: Reader, event: About, off: number | undefined): void {
    const tell = (event: About) => this.#tell(reader.tab, { on: "event", id: reader.id, event });
    const isPlaced = shared.at && off !== undefined;
    if (event.on === "live") {
      if (reader.isReplayed) tell(event);
      if (reader.at === Infinity) reader.at = event.off;
      reader.isReplayed = false;
      return;
    }
    if (isPlaced && off <= reader.at) return;
    const after = reader.at;
    if (isPlaced) reader.at = off;
    if (event.on === "gap") {
      const snapshot = shared.snapshot;
      if (snapshot) tell(snapshot);
      const { gap } = event;
      const more = isPlaced && gap.after !== undefined ? { after: Math.max(after, gap.after) } : {};
      event = { ...event, gap: { ...gap, ...more } };
    }
    if (reader.unread < WINDOW && !reader.missed) {
      reader.unread++;
      return tell(event);
    }
    const { missed = isPlaced ? { reason: "slow", after } : { reason: "slow" } } = reader as {
      missed?: Gap;
    };
    if (isPlaced) missed.until = off;
    else missed.dropped = (missed.dropped ?? 0) + 1;
    reader.missed = missed;
  }

  #read(tab: string, ch: string, id: number): void {
    const shared = this.#channels.get(ch);
    const reader = shared?.readers.find((it) => it.tab === tab && it.id === id);
    if (!reader) return;
    reader.unread = Math.max(0, reader.unread - 1);
    const { missed: gap } = reader;
    if (!gap || reader.unread * 2 > WINDOW) return;
    reader.missed = undefined;
    reader.unread++;
    this.#tell(tab, { on: "event", id, event: { on: "gap", ch, gap } });
  }

  #tellState(to: string): void {
    if (this.#isOver) return;
    const { state } = this.#client;
    const { error, ...plain } = state as State & { error?: any };
    // An error between tabs loses its class.
    const why = error && { code: error.code, message: error.message, reject: error.reject };
    this.#tell(to, { on: "state", state: plain as State, ...(why && { error: why }) });
  }

  #tell(to: string, message: Message): void {
    if (!this.#isOver) this.#post({ to, leader: this.#id, ...message } as FromLeader);
  }
}

function aboutOf(ch: string, item: any, off?: number): About {
  const { type, payload } = item;
  if (type === "$snapshot") return { on: "snapshot", ch, payload, off };
  if (type === "$live") return { on: "live", ch, off: item.off };
  if (type !== "$gap") return { on: "delivered", ch, ...item };
  const { type: _, ...gap } = item;
  return { on: "gap", ch, gap };
}

function sent(failed: unknown): SentError {
  if (!(failed instanceof CallError)) {
    return { kind: "invalid", outcome: "NotSent", message: String(failed) };
  }
  const { kind, outcome, message, error, fault } = failed;
  return { kind, outcome, message, error, fault };
}
