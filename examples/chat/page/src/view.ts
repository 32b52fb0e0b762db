// What people see. Text of others enters the page as text only, never as markup.

import type { Message, RoomInfo } from "../../../../clients/typescript/examples/chat/protocol.js";
import type { State } from "../../../../clients/typescript/src/index.js";

const GROUP_MS = 5 * 60_000;
const TYPING_MS = 4_000;
const SHOWN = 500;

/** What people can do. */
export interface Hands {
  enter(room: string): void;
  post(text: string): void;
  typing(): void;
  setTopic(topic: string): void;
  retry(): void;
  signOut(): void;
}

interface Pending {
  text: string;
  element: HTMLElement;
}

const find = <T extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as T;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

/** The page. */
export class View {
  #me: string;
  #on: Hands;
  #room = "";
  #rooms = new Map<string, number>();
  #members = new Set<string>();
  #typing = new Map<string, number>();
  #numbers = new Set<number>();
  #pending: Pending[] = [];
  #last: { by: string; at: number } | null = null;
  #day = new Date().toDateString();
  #countdown = 0;
  /** There was a connection before: what was missed without one is still to come. */
  #isReturning = false;

  constructor(me: string, on: Hands) {
    this.#me = me;
    this.#on = on;
    find("app").hidden = false;
    find("me").textContent = me;
    dress(find("me-mark"), me);
    this.#listen();
  }

  // Rooms.

  setRooms(rooms: RoomInfo[]): void {
    this.#rooms = new Map(rooms.map(({ name, members }) => [name, members]));
    this.#drawRooms();
  }

  setRoomCount(room: string, count: number): void {
    this.#rooms.set(room, count);
    this.#drawRooms();
  }

  removeRoom(room: string): void {
    this.#rooms.delete(room);
    this.#drawRooms();
  }

  /** Goes to another room, or shows the present one anew. */
  showRoom(room: string, members: string[], topic: string): void {
    const isOther = room !== this.#room;
    this.#room = room;
    this.#typing.clear();
    find("room").textContent = room;
    document.title = `${room} · Chat`;
    if (isOther) this.clear();
    this.setMembers(members);
    this.setTopic(topic);
    this.#drawRooms();
    this.#drawTyping();
    if (matchMedia("(pointer: fine)").matches) find("text").focus();
  }

  setTopic(topic: string): void {
    find<HTMLInputElement>("topic").value = topic;
  }

  topicSet(by: string, topic: string): void {
    this.setTopic(topic);
    this.notice(topic ? `${by}: this is about ${topic}` : `${by} took the topic away`);
  }

  // People.

  setMembers(members: string[]): void {
    this.#members = new Set(members);
    this.#drawMembers();
  }

  entered(who: string): void {
    if (this.#members.has(who)) return;
    this.#members.add(who);
    this.#drawMembers();
    if (who !== this.#me) this.notice(`${who} came in`);
  }

  left(who: string): void {
    if (!this.#members.delete(who)) return;
    this.#drawMembers();
    this.#stoppedTyping(who);
    this.notice(`${who} left`);
  }

  /** The name is what the sender says: it is shown short, and not for many at once. */
  typed(name: string): void {
    const who = name.slice(0, 32);
    if (who === this.#me) return;
    clearTimeout(this.#typing.get(who));
    if (!this.#typing.has(who) && this.#typing.size >= 20) return;
    this.#typing.set(who, window.setTimeout(() => this.#stoppedTyping(who), TYPING_MS));
    this.#drawTyping();
  }

  // Messages.

  clear(): void {
    find("log").replaceChildren();
    this.#numbers.clear();
    this.#pending = [];
    this.#last = null;
    this.#day = new Date().toDateString();
  }

  /** A message, from history or just said; one that is there already is not shown again. */
  said({ number, by, text, at }: Message): void {
    if (this.#numbers.has(number)) return;
    this.#numbers.add(number);
    this.#stoppedTyping(by);
    if (by === this.#me) this.#withdraw(text);
    this.#keepPlace(by === this.#me, () => this.#addMessage(by, text, at));
  }

  /** A message of our own that is under way. Returns how to say what became of it. */
  pending(text: string) {
    const element = bubble(this.#me, text, Date.now(), true);
    element.classList.add("pending");
    const entry = { text, element };
    this.#pending.push(entry);
    this.#keepPlace(true, () => find("log").append(element));
    return {
      done: () => this.#remove(entry),
      failed: (why: string, again: () => void) => {
        element.classList.remove("pending");
        const failure = make("span", "failure", `${why} `);
        const button = make("button", "link", "Try again");
        button.type = "button";
        button.addEventListener("click", () => {
          this.#remove(entry);
          again();
        });
        failure.append(button);
        element.append(failure);
        this.#pending = this.#pending.filter((other) => other !== entry);
      },
    };
  }

  notice(text: string): void {
    this.#last = null;
    this.#keepPlace(false, () => this.#append(make("p", "notice", text)));
  }

  /** There is something that nobody will tell us any more. */
  gap(text: string): void {
    this.#last = null;
    this.#keepPlace(false, () => this.#append(make("p", "notice gap", text)));
  }

  // The connection.

  setState(state: State): void {
    clearInterval(this.#countdown);
    const isReady = state.name === "ready";
    const isReturning = this.#isReturning;
    this.#isReturning ||= isReady;
    const until = Date.now() + (state.name === "waiting" ? state.delayMs : 0);
    const draw = () => {
      find("state-text").textContent = sentence(state, until, isReturning);
    };
    find("state").dataset.name = state.name;
    find("state").dataset.sync = isReady ? (isReturning ? "behind" : "live") : "";
    find("now").hidden = state.name !== "waiting" && state.name !== "closed";
    draw();
    if (state.name === "waiting") this.#countdown = window.setInterval(draw, 500);
  }

  /** Everything that was missed without a connection is shown. */
  caughtUp(): void {
    const state = find("state");
    if (state.dataset.sync !== "behind") return;
    state.dataset.sync = "caught-up";
    find("state-text").textContent = "Connected, caught up";
  }

  // Drawing.

  #drawRooms(): void {
    const sorted = [...this.#rooms].sort(([a], [b]) => a.localeCompare(b));
    const focused = (document.activeElement as HTMLElement | null)?.dataset.room;
    find("rooms").replaceChildren(...sorted.map(([name, count]) => {
      const button = make("button");
      button.type = "button";
      button.dataset.room = name;
      button.setAttribute("aria-current", String(name === this.#room));
      button.append(
        make("span", "hash", "#"),
        make("span", "label", name),
        make("span", "count", String(count)),
      );
      return button;
    }));
    if (focused) [...find("rooms").children].find(isOf(focused))?.focus();
  }

  #drawMembers(): void {
    const sorted = [...this.#members].sort((a, b) => a.localeCompare(b));
    find("count").textContent = String(sorted.length);
    find("members").replaceChildren(...sorted.map((name) => {
      const item = make("li");
      item.append(dress(make("span", "mark"), name), make("span", "label", name));
      if (name === this.#me) item.append(make("span", "you", "you"));
      return item;
    }));
  }

  #drawTyping(): void {
    const who = [...this.#typing.keys()];
    const names = who.length > 3 ? "Several people" : who.join(who.length > 2 ? ", " : " and ");
    const verb = who.length > 1 ? "are" : "is";
    find("typing").textContent = who.length ? `${names} ${verb} typing …` : "";
  }

  #addMessage(by: string, text: string, at: number): void {
    const log = find("log");
    const last = this.#last;
    const date = new Date(at).toDateString();
    if (this.#day !== date) {
      this.#day = date;
      this.#append(make("p", "notice day", day.format(at)));
    }
    const element = bubble(by, text, at, by === this.#me);
    if (last?.by === by && at - last.at < GROUP_MS) element.classList.add("more");
    this.#last = { by, at };
    this.#append(element);
    while (log.childElementCount > SHOWN) log.firstElementChild?.remove();
  }

  /** Before what is still under way. */
  #append(element: HTMLElement): void {
    find("log").insertBefore(element, this.#pending[0]?.element ?? null);
  }

  /** Keeps the newest in sight, unless somebody reads what is older. */
  #keepPlace(always: boolean, change: () => void): void {
    const log = find("log");
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    change();
    if (always || isAtEnd) log.scrollTop = log.scrollHeight;
    else find("newer").hidden = false;
  }

  #withdraw(text: string): void {
    const entry = this.#pending.find((pending) => pending.text === text);
    if (entry) this.#remove(entry);
  }

  #remove(entry: Pending): void {
    entry.element.remove();
    this.#pending = this.#pending.filter((other) => other !== entry);
  }

  #stoppedTyping(who: string): void {
    clearTimeout(this.#typing.get(who));
    if (this.#typing.delete(who)) this.#drawTyping();
  }

  // Hands.

  #listen(): void {
    const text = find<HTMLTextAreaElement>("text");
    const fit = () => {
      text.style.height = "auto";
      text.style.height = `${text.scrollHeight + 2}px`;
    };
    const send = () => {
      if (!text.value.trim()) return;
      this.#on.post(text.value.trim());
      text.value = "";
      fit();
    };
    text.addEventListener("input", () => {
      fit();
      if (text.value) this.#on.typing();
    });
    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    find("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      send();
      text.focus();
    });
    find("rooms").addEventListener("click", (event) => {
      const room = (event.target as HTMLElement).closest("button")?.dataset.room;
      if (room) this.#on.enter(room);
    });
    find("open").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = find<HTMLInputElement>("new-room");
      const room = input.value.trim();
      if (room) this.#on.enter(room);
      input.value = "";
    });
    const topic = find<HTMLInputElement>("topic");
    topic.addEventListener("change", () => {
      this.#on.setTopic(topic.value.trim());
      topic.blur();
    });
    find("now").addEventListener("click", () => this.#on.retry());
    find("leave").addEventListener("click", () => this.#on.signOut());
    find("newer").addEventListener("click", () => this.#keepPlace(true, () => {}));
    find("log").addEventListener("scroll", () => {
      const log = find("log");
      if (log.scrollHeight - log.scrollTop - log.clientHeight < 80) find("newer").hidden = true;
    });
    document.addEventListener("keydown", (event) => this.#shortcut(event));
  }

  /** `/` goes to the message, Alt with an arrow to the room before or after. */
  #shortcut(event: KeyboardEvent): void {
    const isWriting = (event.target as HTMLElement).matches("input, textarea");
    if (event.key === "/" && !isWriting) {
      event.preventDefault();
      find("text").focus();
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const rooms = [...this.#rooms.keys()].sort((a, b) => a.localeCompare(b));
      const step = event.key === "ArrowUp" ? rooms.length - 1 : 1;
      const next = rooms[(rooms.indexOf(this.#room) + step) % rooms.length];
      if (next) this.#on.enter(next);
    }
  }
}

/** Asks for a name, then calls `enter` with it. */
export function askName(enter: (name: string) => void): void {
  const door = find("door");
  door.hidden = false;
  find("name").focus();
  door.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = find<HTMLInputElement>("name").value.trim();
    if (!name) return;
    door.hidden = true;
    enter(name);
  });
}

function isOf(room: string) {
  return (button: Element): button is HTMLElement =>
    button instanceof HTMLElement && button.dataset.room === room;
}

function sentence(state: State, until: number, isReturning: boolean): string {
  switch (state.name) {
    case "ready": return isReturning ? "Connected, catching up …" : "Connected";
    case "connecting": return isReturning || state.attempt > 1 ? "Reconnecting …" : "Connecting …";
    case "waiting": {
      const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      return `Offline (${state.reason}); reconnecting in ${seconds} s`;
    }
    case "closed": return `Stopped: ${state.error?.message ?? "signed off"}`;
  }
}

function bubble(by: string, text: string, at: number, isMine: boolean): HTMLElement {
  const element = make("article", isMine ? "message mine" : "message");
  const time = make("time", "", clock.format(at));
  time.dateTime = new Date(at).toISOString();
  time.title = exact.format(at);
  const head = make("p", "by", isMine ? "" : by);
  head.append(time);
  const said = make("p", "said", text);
  said.title = exact.format(at);
  if (!isMine) element.append(dress(make("span", "mark"), by));
  element.append(head, said);
  return element;
}

/** A round mark with the first letter of a name, in a colour of its own. */
function dress(mark: HTMLElement, name: string): HTMLElement {
  let hue = 7;
  for (const char of name) hue = (hue * 31 + (char.codePointAt(0) ?? 0)) % 360;
  mark.style.setProperty("--hue", String(hue));
  mark.setAttribute("aria-hidden", "true");
  mark.textContent = [...name][0]?.toUpperCase() ?? "";
  return mark;
}

function make<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  name = "",
  text = "",
): HTMLElementTagNameMap[T] {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}
