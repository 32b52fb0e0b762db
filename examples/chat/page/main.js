// The chat itself: which messages are sent when, and what they change in the view. The messages
// are those of schema/chat.json.

import { CallError, Connection } from "./connection.js";
import { address } from "./frames.js";
import { View, askName } from "./view.js";

const FIRST_ROOM = "lobby";
const HISTORY = 100;
const TYPING_MS = 2_000;

class ChatPage {
  #name;
  #view;
  #connection;
  #room = FIRST_ROOM;
  /** The room whose channels we listen to. */
  #listening = null;
  /** Events that wait until the history before them is shown. */
  #held = null;
  /** Counts the attempts to enter a room: only the newest goes on. */
  #turn = 0;
  #typedAt = 0;

  constructor(name) {
    this.#name = name;
    this.#view = new View(name, {
      enter: (room) => this.enter(room),
      post: (text) => this.#post(text),
      typing: () => this.#typing(),
      retry: () => this.#connection.connect(),
      signOut: () => {
        sessionStorage.removeItem("name");
        location.assign(location.pathname);
      },
    });
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.#connection = new Connection({
      url: `${scheme}://${location.host}/ws`,
      protocol: "chat",
      version: [1, 1],
      token: name,
      client: { name: "chat-page", version: "0.1.0" },
      onState: (state) => this.#changed(state),
    });
  }

  begin(room) {
    this.#room = room;
    this.#listenToLobby();
    this.#connection.connect();
  }

  enter(room) {
    if (room === this.#room && this.#listening === room) return;
    this.#room = room;
    if (roomOfHash() !== room) history.replaceState(null, "", `#${encodeURIComponent(room)}`);
    this.#goIn();
  }

  signOff() {
    this.#connection.close();
  }

  #changed(state) {
    this.#view.setState(state);
    if (state.name === "ready") this.#goIn();
  }

  #listenToLobby() {
    this.#connection.subscribe("lobby", {
      event: (kind, { room, count }) => {
        if (kind === "room_opened") this.#view.setRoomCount(room, 0);
        else if (kind === "room_closed") this.#view.removeRoom(room);
        else if (kind === "members") this.#view.setRoomCount(room, count);
      },
      gap: () => this.#listRooms(),
      end: () => {},
    });
  }

  async #listRooms() {
    try {
      this.#view.setRooms((await this.#connection.call("list_rooms", {})).rooms);
    } catch (error) {
      if (!isLost(error)) this.#view.notice(`The rooms are not known: ${error.message}`);
    }
  }

  /** Enters the wanted room, or makes sure that we still are in it after a reconnect. */
  async #goIn() {
    this.#turn += 1;
    const turn = this.#turn;
    const room = this.#room;
    try {
      const joined = await this.#connection.call("join", { room });
      if (turn !== this.#turn) return;
      this.#leaveOther(room);
      this.#view.showRoom(room, joined.members);
      if (this.#listening !== room) {
        this.#listening = room;
        this.#held = [];
        this.#listenToRoom(room, { epoch: joined.epoch, off: joined.off });
        await this.#showHistory(room);
      }
    } catch (error) {
      // A lost connection comes back, and with it the next attempt.
      if (turn !== this.#turn || isLost(error)) return;
      this.#view.notice(`${room} cannot be entered: ${error.message}`);
      this.#room = this.#listening ?? FIRST_ROOM;
    }
    await this.#listRooms();
  }

  #leaveOther(room) {
    const left = this.#listening;
    if (!left || left === room) return;
    this.#listening = null;
    this.#connection.unsubscribe(address("room", left));
    this.#connection.unsubscribe(address("typing", left));
    // Without a connection the server notices by itself.
    this.#connection.call("leave", { room: left }).catch(() => {});
  }

  #listenToRoom(room, since) {
    const again = () => {
      if (this.#listening !== room) return;
      this.#connection.unsubscribe(address("room", room));
      this.#connection.unsubscribe(address("typing", room));
      this.#listening = null;
      this.#goIn();
    };
    this.#connection.subscribe(address("room", room), {
      event: (kind, payload) => {
        if (this.#held) this.#held.push([kind, payload]);
        else this.#happened(kind, payload);
      },
      gap: () => this.#goOn(room),
      end: again,
    }, since);
    this.#connection.subscribe(address("typing", room), {
      event: (kind, { who }) => kind === "keys" && this.#view.typed(who),
      end: () => {},
    });
  }

  #happened(kind, payload) {
    if (kind === "said") this.#view.said(payload);
    else if (kind === "entered") this.#view.entered(payload.who);
    else if (kind === "left") this.#gone(payload.who);
  }

  /** Something was missed: the history has it, as far as the server kept it. */
  async #goOn(room) {
    this.#held ??= [];
    try {
      const { members } = await this.#connection.call("join", { room });
      if (this.#listening !== room) return;
      this.#view.setMembers(members);
      await this.#showHistory(room);
    } catch (error) {
      this.#held = null;
      if (!isLost(error)) this.#view.notice(`The room cannot be read: ${error.message}`);
    }
  }

  /** Another tab of ours may have left the room for us. */
  #gone(who) {
    this.#view.left(who);
    if (who === this.#name) this.#goIn();
  }

  /** Shows what was said before, then what happened since. */
  async #showHistory(room) {
    const items = [];
    try {
      const keep = (item) => items.push(item);
      const end = await this.#connection.stream("history", { room, limit: HISTORY }, keep);
      if (end.older > 0) this.#view.notice(`${end.older} older messages are not shown`);
    } finally {
      const held = this.#held ?? [];
      if (this.#listening === room) {
        this.#held = null;
        for (const item of items) this.#view.said(item);
        for (const [kind, payload] of held) this.#happened(kind, payload);
      }
    }
  }

  async #post(text) {
    const room = this.#room;
    // The message ended the typing that was told.
    this.#typedAt = 0;
    const pending = this.#view.pending(text);
    try {
      await this.#say(room, text);
      pending.done();
    } catch (error) {
      const isUncertain = error instanceof CallError && error.outcome === "unknown";
      const why = isUncertain ? "It may have been sent." : `Not sent: ${error.message}.`;
      pending.failed(why, () => this.#post(text));
    }
  }

  /** A server that restarted has forgotten who was in the room: then we enter again. */
  async #say(room, text) {
    try {
      return await this.#connection.call("post", { room, text });
    } catch (error) {
      if (error.error !== "not_a_member" || room !== this.#room) throw error;
      await this.#connection.call("join", { room });
      return this.#connection.call("post", { room, text });
    }
  }

  #typing() {
    const now = Date.now();
    if (now - this.#typedAt < TYPING_MS || this.#listening !== this.#room) return;
    this.#typedAt = now;
    const channel = address("typing", this.#room);
    this.#connection.publishLightly("typing.keys", channel, { who: this.#name });
  }
}

function isLost(error) {
  return error instanceof CallError && (error.kind === "lost" || error.kind === "timeout");
}

function start(name) {
  sessionStorage.setItem("name", name);
  const chat = new ChatPage(name);
  addEventListener("hashchange", () => chat.enter(roomOfHash()));
  addEventListener("pagehide", () => chat.signOff());
  chat.begin(roomOfHash());
}

function roomOfHash() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || FIRST_ROOM;
  } catch {
    return FIRST_ROOM;
  }
}

const wanted = new URLSearchParams(location.search).get("name") ?? sessionStorage.getItem("name");
if (wanted) start(wanted);
else askName(start);
