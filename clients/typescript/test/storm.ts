import assert from "node:assert/strict";
import { address, type FullOptions } from "../src/index.js";
import type { Chat } from "../examples/chat/protocol.js";
import { HASTE, Scissors, guest, type ChatServer } from "./chat.js";

/** What a storm did. */
export interface Storm {
  welcomes: number;
  cuts: number;
  posted: number;
}

/**
 * Two clients of the real server behind a proxy that cuts, until there were so many welcomes: one
 * posts and one listens. Throws where a message was lost, doubled or out of order.
 */
export async function storm(
  server: ChatServer,
  until: number,
  seed: number,
  more: Partial<FullOptions<Chat>> = {},
  progress = (_: Storm) => {},
): Promise<Storm> {
  const scissors = await Scissors.start(server.port, seed);
  const options = { backoff: HASTE, timeoutMs: 120_000, ...more };
  const speaker = guest(scissors.url, "speaker", options);
  const listener = guest(scissors.url, "listener", options);
  const room = `storm-${seed}`;
  await speaker.call("join", { room });
  const { epoch, off } = await listener.call("join", { room });
  const heard = listener.subscribe(address("room", room), { since: { epoch, off } });
  const numbers: number[] = [];
  const texts: string[] = [];
  let told = () => {};
  let failed: unknown;
  const listening = (async () => {
    for await (const item of heard) {
      assert.notEqual(item.type, "$gap");
      if (item.type !== "said") continue;
      texts.push(item.payload.text);
      told();
      if (item.payload.text === "end") return;
    }
    assert.fail("the subscription ended");
  })().catch((error) => {
    failed = error;
    told();
  });
  let posted = 0;
  let welcomes = 0;
  for (const client of [speaker, listener]) {
    client.onState(({ name }) => (welcomes += Number(name === "ready")));
  }
  while (welcomes < until) {
    const batch = Array.from({ length: 8 }, () => `${posted++}`);
    const replies = batch.map((text) => speaker.call("post", { room, text }));
    for (const { number } of await Promise.all(replies)) numbers.push(number);
    // The log keeps 256 events: whoever is further behind is told of a gap.
    while (texts.length < posted && !failed) {
      await new Promise<void>((resolve) => (told = resolve));
    }
    if (failed) throw failed;
    progress({ welcomes, cuts: scissors.cuts, posted });
  }
  const { cuts } = scissors;
  scissors.isCalm = true;
  await speaker.call("post", { room, text: "end" });
  await listening;
  if (failed) throw failed;
  const expected = Array.from({ length: posted }, (_, n) => `${n}`);
  assert.deepEqual(texts, [...expected, "end"]);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  assert.equal(new Set(numbers).size, posted);
  speaker.close();
  listener.close();
  scissors.stop();
  return { welcomes, cuts, posted };
}
