import { once } from "node:events";
import WebSocket, { WebSocketServer } from "ws";
import { connect, type FullClient, type FullOptions } from "../src/index.js";

/** One connection, as the server sees it. */
export class Peer {
  #seq = 0;
  #ids = 0;
  #frames: any[] = [];
  #wake = () => {};

  constructor(readonly socket: WebSocket) {
    socket.on("message", (data) => {
      this.#frames.push(JSON.parse(data.toString()));
      this.#wake();
    });
  }

  /** The next frame of this type; those before it are passed over. */
  async frame(type: string): Promise<any> {
    for (;;) {
      const at = this.#frames.findIndex((it) => it.type === type);
      if (at >= 0) return this.#frames.splice(0, at + 1).at(-1);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Takes the hello and welcomes it with a new session. */
  async welcome(session: object = {}, more: object = {}): Promise<any> {
    const hello = await this.frame("$hello");
    const rate = { per_s: 200, burst: 400 };
    const limits = { max_frame: 65_536, max_in_flight: 64, max_subs: 128, window: 256, rate };
    this.send("$welcome", {
      version: 1,
      session: { id: "s", ticket: "t", ttl_ms: 1000, resumed: false, ...session },
      recv: 0,
      heartbeat: { interval_ms: 30_000, timeout_ms: 10_000 },
      limits,
      server: { node: "n", now: 0 },
      ...more,
    });
    return hello;
  }

  send(type: string, payload: unknown, head: object = {}): void {
    const id = `00000000-0000-7000-8000-${String(++this.#ids).padStart(12, "0")}`;
    this.socket.send(JSON.stringify({ type, id, ts: 0, ...head, payload }));
  }

  /** A frame with a place in the session stream. */
  say(type: string, payload: unknown, head: object = {}): void {
    this.send(type, payload, { seq: ++this.#seq, ...head });
  }

  /** The code that the client closes with. */
  async closed(): Promise<number> {
    const [code] = await once(this.socket, "close");
    return code;
  }
}

/** A server that does what a test says, connection by connection. */
export class Script {
  #peers: Peer[] = [];
  #wake = () => {};

  private constructor(readonly server: WebSocketServer) {
    server.on("connection", (socket) => {
      this.#peers.push(new Peer(socket));
      this.#wake();
    });
  }

  static async start(protocol = "wsp1.json"): Promise<Script> {
    const handleProtocols = () => protocol;
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols });
    await once(server, "listening");
    return new Script(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as { port: number }).port}/`;
  }

  async peer(): Promise<Peer> {
    while (!this.#peers.length) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#peers.shift() as Peer;
  }

  client(options: Partial<FullOptions> = {}): FullClient {
    const backoff = { baseMs: 1, maxMs: 5 };
    const contract = { protocol: "test", versions: [1, 1] as const };
    return connect(this.url, { ...contract, WebSocket, backoff, ...options });
  }

  stop(client: FullClient): void {
    client.close();
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
  }
}
