// The chat itself: which messages are sent when, and what they change in the view. Their types are
// written by `wsp gen typescript` from schema/chat.json.

import { CallError, address, connect, type FullClient } from "../../../../clients/typescript/src/index.js";
import { chat, type Chat } from "../../../../clients/typescript/examples/chat/protocol.js";
import { View } from "./view.js";

export const FIRST_ROOM = "lobby";
const HISTORY = 100;
const TYPING_MS = 2_000;

export class ChatPage {
  #name: string;
  #view: View;
  #client: FullClient<Chat>;
  #room = "";
  /** Aborted when the room is left. */
  #visit = new AbortController();
  #typedAt = 0;
  /** The history that each room had when it was entered. */
  #epochs = new Map<string, string>();

  constructor(name: string) {
    this.#name = name;
    this.#view = new View(name, {
      enter: (room) => this.enter(room),
      post: (text) => void this.#post(text),
      typing: () => this.#typing(),
      setTopic: (topic) => void this.#setTopic(topic),
      retry: () => this.#client.reconnect(),
      signOut: () => {
        sessionStorage.removeItem("name");
        location.assign(location.pathname);
      },
    });
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.#client = connect<Chat>(`${scheme}://${location.host}/ws`, {
      ...chat,
      token: name,
      client: { name: "chat-page", version: "0.1.0" },
    });
    this.#view.setState(this.#client.state);
    this.#client.onState((state) => this.#view.setState(state));
    void this.#watchLobby();
  }

  /** Goes from the present room, if any, to another. */
  enter(room: string): void {
    if (room === this.#room) return;
    const left = this.#room;
    this.#room = room;
    if (decodeURIComponent(location.hash.slice(1)) !== room) {
      history.replaceState(null, "", `#${encodeURIComponent(room)}`);
    }
    this.#visit.abort();
    this.#visit = new AbortController();
    void this.#visitRoom(room, left, this.#visit.signal);
  }

  signOff(): void {
    this.#client.close();
  }

  async #watchLobby(): Promise<void> {
    const lobby = this.#client.subscribe("lobby");
    await lobby.ready.catch(() => {});
    await this.#listRooms();
    for await (const item of lobby) {
      switch (item.type) {
        case "room_opened": this.#view.setRoomCount(item.payload.room, 0); break;
        case "room_closed": this.#view.removeRoom(item.payload.room); break;
        case "members": this.#view.setRoomCount(item.payload.room, item.payload.count); break;
        case "$gap": await this.#listRooms(); break;
      }
    }
  }

  async #listRooms(): Promise<void> {
    try {
      this.#view.setRooms((await this.#client.call("list_rooms", {})).rooms);
    } catch (error) {
      this.#view.notice(`The rooms are not known: ${said(error)}`);
    }
  }

  /** In a room until it is left. A server that restarted has forgotten us: then in again. */
  async #visitRoom(room: string, left: string, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const joined = await this.#client.call("join", { room }, { timeoutMs: Infinity, signal });
        if (left) void this.#client.call("leave", { room: left }).catch(() => {});
        left = "";
        this.#view.showRoom(room, joined.members, joined.topic ?? "");
        const known = this.#epochs.get(room);
        this.#epochs.set(room, joined.epoch);
        if (known !== undefined && known !== joined.epoch) {
          this.#view.gap("The server began anew; what was said meanwhile may be lost");
        }
        await this.#listen(room, { epoch: joined.epoch, off: joined.off }, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#view.notice(`${room} cannot be entered: ${said(error)}`);
    }
  }

  /** Shows what was said before and what happens since, until the server or the visit ends it. */
  async #listen(
    room: string,
    since: { epoch: string; off: number },
    signal: AbortSignal,
  ): Promise<void> {
    const events = this.#client.subscribe(address("room", room), { since });
    const typing = this.#client.subscribe(address("typing", room));
    const leave = () => {
      events.close();
      typing.close();
    };
    signal.addEventListener("abort", leave);
    try {
      void this.#watchTyping(typing);
      // The events wait meanwhile: what they say comes after the history.
      await this.#showHistory(room, signal);
      for await (const item of events) {
        if (signal.aborted) break;
        switch (item.type) {
          case "said": this.#view.said(item.payload); break;
          case "entered": this.#view.entered(item.payload.who); break;
          case "left": this.#view.left(item.payload.who); break;
          case "topic_set": this.#view.topicSet(item.payload.by, item.payload.topic); break;
          case "$gap": await this.#fillGap(room, signal); break;
          case "$live": this.#view.caughtUp(); break;
        }
        // Another tab of ours may have left the room for us.
        if (item.type === "left" && item.payload.who === this.#name) return;
      }
    } catch (error) {
      // Not allowed any more: it is asked again by the next attempt to enter.
      if (!(error instanceof CallError)) throw error;
    } finally {
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  async #watchTyping(typing: AsyncIterable<{ type: string; payload?: unknown }>): Promise<void> {
    try {
      for await (const item of typing) {
        if (item.type === "keys") this.#view.typed((item.payload as { who: string }).who);
      }
    } catch {
      // The room's own subscription says why.
    }
  }

  /** Events were missed: the history has what was said, as far as the server kept it. */
  async #fillGap(room: string, signal: AbortSignal): Promise<void> {
    this.#view.gap("Something was missed here; what the server kept follows");
    const { epoch, members, topic } = await this.#client.call("join", { room }, { signal });
    this.#epochs.set(room, epoch);
    this.#view.setMembers(members);
    this.#view.setTopic(topic ?? "");
    await this.#showHistory(room, signal);
    this.#view.caughtUp();
  }

  async #showHistory(room: string, signal: AbortSignal): Promise<void> {
    const stream = this.#client.stream("history", { room, limit: HISTORY }, { signal });
    for await (const message of stream) this.#view.said(message);
    const { older } = await stream.reply;
    if (older > 0) this.#view.notice(`${older} older messages are not shown`);
  }

  async #post(text: string): Promise<void> {
    const room = this.#room;
    // The message ended the typing that was told.
    this.#typedAt = 0;
    const pending = this.#view.pending(text);
    try {
      await this.#say(room, text);
      pending.done();
    } catch (error) {
      const isUncertain = error instanceof CallError && error.outcome === "Unknown";
      const why = isUncertain ? "It may have been sent." : `Not sent: ${said(error)}.`;
      pending.failed(why, () => void this.#post(text));
    }
  }

  /** A server that restarted has forgotten who was in the room: then we enter again. */
  async #say(room: string, text: string): Promise<void> {
    try {
      await this.#client.call("post", { room, text });
    } catch (error) {
      const isOut = error instanceof CallError && error.error === "not_a_member";
      if (!isOut || room !== this.#room) throw error;
      await this.#client.call("join", { room });
      await this.#client.call("post", { room, text });
    }
  }

  async #setTopic(topic: string): Promise<void> {
    try {
      await this.#client.call("set_topic", { room: this.#room, topic });
    } catch (error) {
      this.#view.notice(`The topic stays: ${said(error)}`);
    }
  }

  #typing(): void {
    const now = Date.now();
    if (now - this.#typedAt < TYPING_MS || this.#client.state.name !== "ready") return;
    this.#typedAt = now;
    const told = this.#client.publish(address("typing", this.#room), "keys", { who: this.#name });
    // A key that nobody hears of does not matter.
    told.catch(() => {});
  }
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
