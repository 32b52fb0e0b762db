import { spawn, type ChildProcess } from "node:child_process";
import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { once } from "node:events";
import WebSocket from "ws";
import { chat, type Chat } from "../examples/chat/protocol.js";
import { connect } from "../src/index.js";
import type { Client, FullClient, FullOptions, State } from "../src/index.js";

const root = new URL("../../../../", import.meta.url);

/** The real server of the chat: `cargo run -p chat`, or the program that `CHAT` names. */
export class ChatServer {
  private constructor(
    readonly port: number,
    readonly process: ChildProcess,
  ) {}

  static async start(port = 0): Promise<ChatServer> {
    const { CHAT } = process.env;
    const cargo = ["run", "--quiet", "--package", "chat", "--"];
    const listen = ["--listen", `127.0.0.1:${port}`];
    const [program, args] = CHAT ? [CHAT, listen] : ["cargo", [...cargo, ...listen]];
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    return new Promise((resolve, reject) => {
      child.on("exit", () => reject(new Error(`the chat did not start: ${said}`)));
      child.stdout.on("data", (chunk) => {
        said += chunk;
        const found = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(said);
        if (found) resolve(new ChatServer(Number(found[1]), child));
      });
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** Stops at once; with `SIGTERM` it drains. */
  async stop(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const over = once(this.process, "exit");
    this.process.kill(signal);
    await over;
  }
}

/** A proxy that loses each connection after some bytes, until it is told to be calm. */
export class Scissors {
  cuts = 0;
  isCalm = false;
  #server: Server;
  #seed: number;
  #open = new Set<Socket>();

  private constructor(port: number, seed: number) {
    this.#seed = seed;
    this.#server = createServer((down) => this.#carry(down, dial(port, "127.0.0.1")));
  }

  static async start(port: number, seed: number): Promise<Scissors> {
    const scissors = new Scissors(port, seed);
    scissors.#server.listen(0, "127.0.0.1");
    await once(scissors.#server, "listening");
    return scissors;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as { port: number }).port}/ws`;
  }

  /** Loses every connection now. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }

  #carry(down: Socket, up: Socket): void {
    let left = 400 + this.#random(6000);
    const end = () => {
      down.destroy();
      up.destroy();
    };
    for (const [from, to] of [
      [down, up],
      [up, down],
    ] as const) {
      this.#open.add(from);
      from.on("error", end).on("close", () => {
        this.#open.delete(from);
        end();
      });
      from.on("data", (bytes: Buffer) => {
        const passes = this.isCalm ? bytes.length : Math.min(left, bytes.length);
        left -= passes;
        to.write(bytes.subarray(0, passes));
        if (left > 0 || this.isCalm) return;
        if (!down.destroyed) this.cuts++;
        end();
      });
    }
  }

  /** The same numbers for the same seed. */
  #random(below: number): number {
    this.#seed = (this.#seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return this.#seed % below;
  }
}

export const HASTE = { baseMs: 5, maxMs: 20, attempts: 10_000, resetMs: 1000 };

/** Somebody in the chat. */
export function guest(
  url: string,
  name: string,
  more: Partial<FullOptions<Chat>> = {},
): FullClient<Chat> {
  return connect<Chat>(url, { ...chat, token: name, WebSocket, ...more });
}

/** The next state of a client with this name, or the present one. */
export function reached(client: Client<Chat>, name: State["name"]): Promise<State> {
  return new Promise((resolve) => {
    if (client.state.name === name) return resolve(client.state);
    const end = client.onState((state) => {
      if (state.name !== name) return;
      end();
      resolve(state);
    });
  });
}
