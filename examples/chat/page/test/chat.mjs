// The chat's server, a gate before it that can be shut, and the browser: what the tests start.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync } from "node:fs";
import { connect, createServer } from "node:net";
import puppeteer from "puppeteer-core";

const root = new URL("../../../../", import.meta.url);
const BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The real server: `cargo run -p chat`, or the program that `CHAT` names. */
export class ChatServer {
  constructor(port, process) {
    this.port = port;
    this.process = process;
  }

  static async start(port = 0) {
    const listen = ["--listen", `127.0.0.1:${port}`];
    const { CHAT } = process.env;
    const cargo = ["run", "--quiet", "--package", "chat", "--", ...listen];
    const [program, args] = CHAT ? [CHAT, listen] : ["cargo", cargo];
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

  /** Ends at once, as when the power fails. */
  async kill() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const over = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await over;
  }
}

/** A way to the server that can be shut: what is open is lost, and what comes is refused. */
export class Gate {
  #open = new Set();
  #isShut = false;

  static async before(port) {
    const gate = new Gate();
    gate.server = createServer((near) => gate.#carry(near, port));
    gate.server.listen(0, "127.0.0.1");
    await once(gate.server, "listening");
    gate.port = gate.server.address().port;
    gate.origin = `http://127.0.0.1:${gate.port}`;
    return gate;
  }

  shut() {
    this.#isShut = true;
    for (const socket of this.#open) socket.destroy();
  }

  open() {
    this.#isShut = false;
  }

  end() {
    this.shut();
    this.server.close();
  }

  #carry(near, port) {
    if (this.#isShut) return near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#open.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}

/** A headless browser. */
export function browse() {
  // As root, Chromium starts only without its sandbox; the only pages are our own.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return puppeteer.launch({ executablePath: installed(), args, headless: true });
}

/** The frames of all tabs, as the browser saw them. */
export const frames = [];

/** A tab in which somebody has entered the chat, and the errors that its console shows. */
export async function tab(browser, origin, name) {
  // Each has a storage of its own, like another person's browser.
  const page = await (await browser.createBrowserContext()).newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  const devtools = await page.createCDPSession();
  const keep = (by) => ({ response }) => frames.push({ by, text: response.payloadData });
  devtools.on("Network.webSocketFrameSent", keep("client"));
  devtools.on("Network.webSocketFrameReceived", keep("server"));
  await devtools.send("Network.enable");
  await page.goto(`${origin}/`);
  await page.type("#name", name);
  await page.click("#door button");
  await isReady(page);
  return { page, errors };
}

/** Until the page says that it is connected. */
export function isReady(page) {
  return page.waitForSelector('#state[data-name="ready"]');
}

/** Until the page has shown everything that it missed without a connection. */
export function hasCaughtUp(page) {
  return page.waitForSelector('#state[data-sync="caught-up"]');
}

/** Writes a message and sends it. */
export async function say(page, text) {
  await page.type("#text", text);
  await page.keyboard.press("Enter");
}

/** Until a message is shown, and no longer as being under way. */
export function shows(page, text) {
  const isShown = (wanted) =>
    [...document.querySelectorAll(".message:not(.pending) .said")].some(
      (said) => said.textContent === wanted,
    );
  return page.waitForFunction(isShown, {}, text);
}

/** The messages that stand in the room, in their order. */
export function messages(page) {
  return page.$$eval(".message:not(.pending) .said", (all) => all.map((said) => said.textContent));
}

/** That the page runs no script but its own, and speaks to no other server. */
export async function keepsToItself(page) {
  const blocked = () =>
    new Promise((resolve) => {
      const directives = [];
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
        directives.push(effectiveDirective);
        if (directives.length === 2) resolve(directives.sort());
      });
      const script = document.createElement("script");
      script.textContent = "window.wasRun = true";
      document.body.append(script);
      fetch("http://127.0.0.1:1/").catch(() => {});
    });
  assert.deepEqual(await page.evaluate(blocked), ["connect-src", "script-src-elem"]);
  assert.equal(await page.evaluate(() => window.wasRun), undefined);
}

function installed() {
  const folders = (process.env.PATH ?? "").split(":");
  const all = folders.flatMap((folder) => BROWSERS.map((name) => `${folder}/${name}`));
  const found = all.find((path) => {
    try {
      accessSync(path);
      return true;
    } catch {
      return false;
    }
  });
  if (!found) throw new Error("no Chromium: `cargo xtask test` installs it, or says how");
  return found;
}
