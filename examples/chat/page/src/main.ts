// The page: a name at the door, then the chat.

import { ChatPage, FIRST_ROOM } from "./chat.js";
import { askName } from "./view.js";

function start(name: string): void {
  sessionStorage.setItem("name", name);
  const chat = new ChatPage(name);
  addEventListener("hashchange", () => chat.enter(roomOfHash()));
  addEventListener("pagehide", () => chat.signOff());
  chat.enter(roomOfHash());
}

function roomOfHash(): string {
  try {
    return decodeURIComponent(location.hash.slice(1)) || FIRST_ROOM;
  } catch {
    return FIRST_ROOM;
  }
}

const wanted = new URLSearchParams(location.search).get("name") ?? sessionStorage.getItem("name");
if (wanted) start(wanted);
else askName(start);
