import type { Outcome, Reply } from "./events.js";
import type { Fault } from "./wire.js";

/**
 * Why a call did not succeed. `outcome` says what may have happened:
 *
 * - `NotSent`: it never left this program.
 * - `NotProcessed`: the server did not work on it.
 * - `Unknown`: it may have been worked on.
 * - `Processed`: it was, and `error` is the application's typed answer.
 */
export class CallError<E = unknown> extends Error {
  override name = "CallError";

  constructor(
    /** `err` is the typed error, `fault` one of the framework, and so on. */
    readonly kind: Exclude<Reply["kind"], "ok" | "published"> | "cancelled",
    readonly outcome: Outcome,
    message: string,
    /** The payload of `.err`, where `kind` is `err`. */
    readonly error?: E,
    readonly fault?: Fault,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Thrown by whoever serves a callback: its typed error. */
export class Rejection<E = unknown> extends Error {
  constructor(readonly error: E) {
    super("rejected");
  }
}

/** The error of a reply that is no success. */
export function failure(type: string, reply: Reply): CallError {
  switch (reply.kind) {
    case "err": {
      const { payload } = reply;
      return new CallError("err", "Processed", `${type}: ${JSON.stringify(payload)}`, payload);
    }
    case "fault": {
      const { fault, outcome } = reply;
      const text = `${type}: ${fault.code}: ${fault.message}`;
      return new CallError("fault", outcome, text, undefined, fault);
    }
    case "timeout":
      return new CallError("timeout", reply.outcome, `${type}: no answer in time`);
    case "lost":
      return new CallError("lost", reply.outcome, `${type}: the session was lost`);
    case "unsupported":
      return new CallError("unsupported", "NotSent", `${type}: not in version ${reply.version}`);
    default:
      return new CallError("fault", "Processed", `${type}: an answer of another kind`);
  }
}
