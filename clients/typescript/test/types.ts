// Never runs: it compiles only while what is wrong does not.
import type { FullClient } from "../src/index.js";
import type { Chat } from "../examples/chat/protocol.js";

export async function wrong(client: FullClient<Chat>): Promise<void> {
  // @ts-expect-error: no such request
  await client.call("dance", {});
  // @ts-expect-error: a wrong payload
  await client.call("join", { rooms: "lobby" });
  // @ts-expect-error: the reply has no such field
  (await client.call("join", { room: "lobby" })).count;
  // @ts-expect-error: `join` does not stream
  client.stream("join", { room: "lobby" });
  // @ts-expect-error: no such channel
  client.subscribe("hall/lobby");
  // @ts-expect-error: no such event
  await client.publish("typing/lobby", "said", { who: "ann" });
  for await (const item of client.subscribe("room/lobby")) {
    switch (item.type) {
      case "said":
      case "entered":
      case "left":
      case "$gap":
      case "$live":
        break;
      default: {
        // @ts-expect-error: `$ended` is not handled
        const nothing: never = item;
        return nothing;
      }
    }
  }
}
