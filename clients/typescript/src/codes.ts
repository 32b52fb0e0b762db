import type { Call, Outcome } from "./events.js";

/** What a client does after a close (docs/protocol.md, section 10). */
export type Advice = "resume" | "fresh_session" | "new_credentials" | "delay" | "stop";

/** What the range of a close code says. */
export function advice(code: number): Advice {
  if (isFinal(code)) return "stop";
  const ranges = ["fresh_session", "new_credentials", "delay", "delay"] as const;
  return ranges[Math.floor(code / 100) - 41] ?? "resume";
}

/** Whether nothing is to be tried after a close with this code. */
export function isFinal(code: number): boolean {
  return !/^(4[0-4]..|10(0[156]|1[123]))$/.test(code as any);
}

/** What its caller may conclude of a call when nothing more is known. */
export function outcomeOf(call: Call): Outcome {
  return call.isSent_ ? "Unknown" : "NotSent";
}
