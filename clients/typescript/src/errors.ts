import type { Failed, Outcome } from "./events.js";
import type { Fault } from "./wire.js";

/** An error with fields. */
class Failure<F> extends Error {
  constructor(message: string, fields?: F, options?: ErrorOptions) {
    super(message, options);
    Object.assign(this, fields);
  }
}

/**
 * Why a call did not succeed. `outcome` says what may have happened:
 *
 * - `NotSent`: it never left this program.
 * - `NotProcessed`: the server did not work on it.
 * - `Unknown`: it may have been worked on.
 * - `Processed`: it was, and `error` is the application's typed answer.
 */
export class CallError<E = unknown> extends Failure<Fields<E>> {
  override name = "CallError";

  /** `err` is the typed error, `fault` one of the framework, and so on. */
  declare readonly kind: Failed["kind"];
  declare readonly outcome: Outcome;
  /** The payload of `.err`, where `kind` is `err`. */
  declare readonly error?: E;
  declare readonly fault?: Fault | undefined;
}

type Fields<E> = Pick<CallError<E>, "kind" | "outcome" | "error" | "fault">;

/** Thrown by whoever serves a callback: its typed error. */
export class Rejection<E = unknown> extends Error {
  constructor(readonly error: E) {
    super("rejected");
  }
}

/** Why the client stopped. */
export class ConnectionError extends Failure<Pick<ConnectionError, "code" | "reject">> {
  override name = "ConnectionError";

  /** The close code, where there is one. 4511: one side needs an upgrade. */
  declare readonly code: number | undefined;
  /** The payload of `$reject`, where the server refused the hello. */
  declare readonly reject?: any;
}

/** The error of a reply that is no success. */
export function failure(
  type: string,
  { kind, outcome, payload }: Failed,
  signal?: AbortSignal,
): CallError {
  const text = `${type}: ${kind} ${JSON.stringify(payload ?? outcome)}`;
  const fields = { kind, outcome, [kind === "fault" ? kind : "error"]: payload };
  return new CallError(text, fields, signal?.aborted ? { cause: signal.reason } : undefined);
}
