import type { Part } from "./events.js";

/** Bytes that count as too many, and for how long they may stay as they are (section 12). */
const HIGH = 65_536;
const STUCK_MS = 10_000;
/** While there are as many, the client looks more often than this. */
const LOOK_MS = 2000;

/**
 * Leaves a connection that takes nothing for 10 s (4003); the session goes on over the next one.
 * Without this part the client writes nothing more to such a connection, until its heartbeat fails.
 */
export const pressure: Part = (session, client) => {
  let before = 0;
  let since = 0;
  let looked = 0;
  return {
    timeout_() {
      const now = session.now_();
      const held = client.held_() ?? 0;
      const isSame = held >= HIGH && held === before && now - looked < LOOK_MS;
      if (!isSame) since = now;
      else if (now - since >= STUCK_MS) session.fail_(4003);
      before = held;
      looked = now;
    },
  };
};
