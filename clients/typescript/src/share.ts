import { Client, type CallOptions, type Options, type State } from "./client.js";
import type { SubscribeOptions } from "./client.js";
import { CallError, ConnectionError } from "./errors.js";
import type { Item } from "./listening.js";
import { pressure } from "./pressure.js";
import type * as p from "./protocol.js";
import { signs } from "./signs.js";
import { timer, uuid } from "./socket.js";
import { subscription, type Subscription } from "./subscription.js";
import { Leader, type About, type FromLeader, type FromTab } from "./leader.js";
import type { Position } from "./wire.js";

type Locks = Navigator["locks"];

/** How tabs find each other; the defaults are those of the browser. */
export interface ShareOptions {
  /** Tabs with the same name share a socket. The URL, where there is none. */
  name?: string;
  /** `navigator.locks`: who holds the lock has the socket. */
  locks?: Locks | undefined;
  BroadcastChannel?: typeof BroadcastChannel;
}

interface Asked {
  ask: Extract<FromTab, { on: "call" | "publish" }>;
  /** By whom it was taken; it may be asked again of another one only if it may run twice. */
  leader?: string;
  mayRepeat: boolean;
  deadline: number;
  end(error?: CallError, value?: any): void;
}

/** One subscription of this tab, and where it stands. */
interface Listened {
  id: number;
  it: Subscription<any>;
  at?: Position | undefined;
  stands: boolean;
  /** What it starts from, or what stands for events that are missing: said with what follows. */
  snapshot?: Item | undefined;
}

/**
 * A client whose socket is that of all tabs of this origin with the same name. One tab, whoever
 * holds a Web Lock, has the connection; the others speak to it over a `BroadcastChannel`. When it
 * goes, another takes over with a new session: subscriptions go on from their positions, or are
 * told a `$gap`; a call that may have been worked on, and may not be worked on twice, ends with the
 * outcome `Unknown`. Where there are no Web Locks, each tab has a connection of its own.
 */
export class SharedClient<P extends p.Shape = p.AnyProtocol> {
  /** Where the connection of the tabs stands. */
  state: State = { name: "connecting", attempt: 1 };
  readonly #tab = uuid();
  readonly #options: Options;
  readonly #make: () => Client<P>;
  readonly #name: string;
  readonly #locks: Locks | undefined;
  readonly #port: BroadcastChannel | undefined;
  readonly #asked = new Map<number, Asked>();
  readonly #listened = new Map<string, Listened>();
  readonly #listeners = new Set<(state: State) => void>();
  readonly #over = new AbortController();
  #numbers = 0;
  #leader = "";
  #isSeen = false;
  #mine: Leader | undefined;
  #stepDown = () => {};

  constructor(url: string, options: Options, share: ShareOptions = {}) {
    this.#options = options;
    this.#make = () => {
      const parts = [pressure, ...(options.with ?? [])];
      const client = new Client<P>(url, { ...options, with: parts });
      signs(client as Client<any>);
      return client;
    };
    this.#name = `ws-proto:${share.name ?? url}`;
    this.#locks = "locks" in share ? share.locks : globalThis.navigator?.locks;
    if (!this.#locks) {
      this.#lead();
      return;
    }
    this.#port = new (share.BroadcastChannel ?? BroadcastChannel)(this.#name);
    this.#port.onmessage = ({ data }) => this.#receive(data);
    // While this tab lives it holds a lock of its own: its leader asks for it, to see it go.
    void this.#hold(`${this.#name}:${this.#tab}`, () => {
      this.#isSeen = true;
      this.#send({ on: "hello" });
    });
    this.#stand();
    this.#watch();
  }

  /** Whether the connection is held by this tab. */
  get isLeader(): boolean {
    return !!this.#mine;
  }

  /** Tells each new state; the function that is returned ends that. */
  onState(listener: (state: State) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** As that of a client of its own. @throws {CallError} */
  call<K extends p.Requests<P>>(
    type: K,
    payload: p.PayloadOf<P, K>,
    options: CallOptions = {},
  ): Promise<p.ReplyOf<P, K>> {
    const { idempotent, dedup } = this.#options.requests?.[type] ?? {};
    const mayRepeat = !!(idempotent || dedup);
    const { signal, timeoutMs, key = mayRepeat ? uuid() : undefined } = options;
    const ask = { on: "call" as const, n: ++this.#numbers, type, payload, timeoutMs, key };
    return this.#ask(ask, mayRepeat, signal);
  }

  /** As that of a client of its own. @throws {CallError} */
  publish<A extends p.AddressOf<P>, E extends keyof p.EventsOf<P, A> & string>(
    ch: A,
    event: E,
    payload: p.EventsOf<P, A>[E],
    { signal, timeoutMs, key }: CallOptions = {},
  ): Promise<Position | undefined> {
    const n = ++this.#numbers;
    return this.#ask({ on: "publish", n, ch, type: event, payload, timeoutMs, key }, false, signal);
  }

  /** As that of a client of its own; each tab has its own position. */
  subscribe<A extends p.AddressOf<P>>(
    ch: A,
    { since, signal }: SubscribeOptions = {},
  ): Subscription<p.Item<P, A>> {
    if (this.#listened.has(ch)) throw new Error(`there is a subscription to ${ch}`);
    const listened = { id: ++this.#numbers, at: since, stands: false } as Listened;
    const isMine = () => this.#listened.get(ch) === listened;
    const leave = () => {
      if (!isMine()) return;
      this.#listened.delete(ch);
      this.#send({ on: "leave", ch, id: listened.id });
    };
    const consumed = () => {
      if (isMine()) this.#send({ on: "read", ch, id: listened.id });
    };
    const it = subscription<p.Item<P, A>>(consumed, leave, Infinity);
    it.ch_ = ch;
    listened.it = it;
    signal?.addEventListener("abort", () => it.close());
    if (this.state.name === "closed") it.end_("lost", "the client is closed");
    else {
      this.#listened.set(ch, listened);
      this.#send({ on: "join", ch, id: listened.id, since });
    }
    if (signal?.aborted) it.close();
    return it;
  }

  /** This tab is done; the others go on, with another leader if it was this one. */
  close(): void {
    if (this.#over.signal.aborted) return;
    this.#send({ on: "bye" });
    this.#over.abort();
    this.#stepDown();
    this.#mine?.stop();
    this.#mine = undefined;
    this.#port?.close();
    this.#finish({ name: "closed" });
  }

  /** Waits for the lock, has the connection while it holds it, and waits anew after that. */
  #stand(): void {
    const done = this.#hold(this.#name, () => this.#lead());
    void done.then(() => !this.#over.signal.aborted && this.#stand());
  }

  async #hold(name: string, run: () => void): Promise<void> {
    const { signal } = this.#over;
    const held = () =>
      new Promise<void>((resolve) => {
        if (signal.aborted) return resolve();
        signal.addEventListener("abort", () => resolve());
        if (name === this.#name) this.#stepDown = resolve;
        run();
      });
    // A request that waits is aborted with the tab's end.
    await this.#locks?.request(name, { signal }, held).catch(() => {});
  }

  #lead(): void {
    const send = (message: FromLeader) => {
      this.#port?.postMessage(message);
      // A channel does not speak to its own end.
      queueMicrotask(() => this.#receive(message));
    };
    const gone = (tab: string, run: () => void) => {
      const { signal } = this.#over;
      const name = `${this.#name}:${tab}`;
      this.#locks?.request(name, { signal }, async () => run()).catch(() => {});
    };
    this.#mine = new Leader(this.#tab, this.#make(), send, gone);
  }

  /** A page that is frozen can serve nobody. */
  #watch(): void {
    const { signal } = this.#over;
    const yields = () => {
      this.#mine?.stop();
      this.#mine = undefined;
      this.#stepDown();
    };
    globalThis.addEventListener?.("pagehide", yields, { signal });
    globalThis.document?.addEventListener("freeze", yields, { signal });
  }

  #send(message: FromTab): void {
    if (this.#mine) this.#mine.receive(this.#tab, message);
    else if (this.#port && !this.#over.signal.aborted) {
      this.#port.postMessage({ to: "leader", from: this.#tab, message });
    }
  }

  #receive(data: any): void {
    if (this.#over.signal.aborted) return;
    if (data.to === "leader") this.#mine?.receive(data.from, data.message);
    else if (data.to === this.#tab || data.to === "all") this.#take(data);
  }

  #take(it: FromLeader): void {
    if (it.on === "state") {
      if (it.leader !== this.#leader) this.#follow(it.leader);
      if (it.state.name === "closed") {
        const { code, message, reject } = it.error ?? {};
        const error = it.error && new ConnectionError(message ?? "", { code, reject });
        this.#finish({ name: "closed", ...(error && { error }) });
        this.close();
      } else this.#setState(it.state);
    } else if (it.leader !== this.#leader) {
      return;
    } else if (it.on === "taken") {
      const asked = this.#asked.get(it.n);
      if (asked) asked.leader = it.leader;
    } else if (it.on === "answered") {
      const { error: e } = it;
      const error = e && new CallError(e.message, e);
      this.#asked.get(it.n)?.end(error, it.value);
    } else {
      const listened = this.#listened.get(it.event.ch);
      if (listened?.id === it.id) this.#hear(listened, it.event);
    }
  }

  /** There is another leader: everything that is wanted is asked of it. */
  #follow(leader: string): void {
    this.#leader = leader;
    // Before this tab has its lock, its leader would think it gone.
    if (this.#isSeen) this.#send({ on: "hello" });
    for (const [ch, { id, at }] of this.#listened) this.#send({ on: "join", ch, id, since: at });
    for (const asked of [...this.#asked.values()]) {
      if (!asked.leader || asked.mayRepeat) {
        const timeoutMs = asked.deadline - Date.now();
        if (asked.leader) asked.leader = leader;
        this.#send({ ...asked.ask, timeoutMs });
      } else {
        const text = `${asked.ask.type}: lost with the tab that asked it`;
        asked.end(new CallError(text, { kind: "lost", outcome: "Unknown" }));
      }
    }
  }

  #hear(listened: Listened, event: About): void {
    const { at, stands, it, snapshot } = listened;
    listened.snapshot = undefined;
    if (event.on === "snapshot") {
      listened.snapshot = { type: "$snapshot", payload: event.payload };
    } else if (event.on === "subscribed") {
      const { epoch, off } = event.done;
      const isOn = epoch !== undefined && off !== undefined;
      listened.stands = true;
      listened.at = isOn ? { epoch, off } : undefined;
      // Without a position nobody knows what came while there was no leader.
      it.stands_(stands && off === undefined ? { recovered: false } : event.done, snapshot);
    } else if (event.on === "delivered") {
      const { type, payload, off } = event;
      if (at && off !== undefined) {
        if (off <= at.off) return this.#send({ on: "read", ch: event.ch, id: listened.id });
        at.off = off;
      }
      it.tell_({ type, payload, off }, off);
    } else if (event.on === "gap") {
      const { until } = event.gap;
      if (at && until !== undefined) at.off = Math.max(at.off, until);
      it.tell_(snapshot ?? { type: "$gap", ...event.gap }, until);
    } else if (event.on === "live") it.tell_({ type: "$live", off: event.off });
    else {
      this.#listened.delete(event.ch);
      it.fail_(event.fault);
    }
  }

  #ask(ask: Asked["ask"], mayRepeat: boolean, signal?: AbortSignal): Promise<any> {
    const { n, type, timeoutMs = this.#options.timeoutMs ?? 30_000 } = ask;
    const deadline = Date.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      const outcome = () => (asked.leader ? "Unknown" : "NotSent");
      const abort = () => {
        this.#send({ on: "cancel", n });
        const text = `${type}: cancelled`;
        const cause = { cause: signal?.reason };
        const error = new CallError(text, { kind: "cancelled", outcome: outcome() }, cause);
        asked.end(error);
      };
      // The leader says so first, while there is one.
      const late = timer(() => {
        this.#send({ on: "cancel", n });
        asked.end(new CallError(`${type}: timeout`, { kind: "timeout", outcome: outcome() }));
      }, timeoutMs + 250);
      if (timeoutMs === Infinity) clearTimeout(late);
      const end = (error?: CallError, value?: any) => {
        clearTimeout(late);
        signal?.removeEventListener("abort", abort);
        this.#asked.delete(n);
        if (error) reject(error);
        else resolve(value);
      };
      const asked: Asked = { ask, mayRepeat, deadline, end };
      if (signal?.aborted) return abort();
      if (this.state.name === "closed") {
        return end(new CallError(`${type}: the client is closed`, { kind: "lost", outcome: "NotSent" }));
      }
      // What cannot be cloned is refused here.
      this.#send({ ...ask, timeoutMs });
      signal?.addEventListener("abort", abort);
      this.#asked.set(n, asked);
    });
  }

  #setState(state: State): void {
    this.state = state;
    for (const listener of this.#listeners) listener(state);
  }

  #finish(state: State): void {
    if (this.state.name === "closed") return;
    this.#setState(state);
    for (const { ask, leader, end } of [...this.#asked.values()]) {
      const outcome = leader ? "Unknown" : "NotSent";
      end(new CallError(`${ask.type}: the client stopped`, { kind: "lost", outcome }));
    }
    const all = [...this.#listened.values()];
    this.#listened.clear();
    for (const { it } of all) it.end_("lost", "the client stopped");
  }
}

/** Opens a client whose socket all tabs with the same name share. */
export function share<P extends p.Shape = p.AnyProtocol>(
  url: string,
  options: Options,
  how: ShareOptions = {},
): SharedClient<P> {
  return new SharedClient<P>(url, options, how);
}
