import type { Failed, Outcome } from "./events.js";
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
    readonly kind: Failed["kind"],
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

/** Why the client stopped. */
export class ConnectionError extends Error {
  override name = "ConnectionError";

  constructor(
    /** The close code, where there is one. 4511: one side needs an upgrade. */
    readonly code: number | undefined,
    message: string,
    /** The payload of `$reject`, where the server refused the hello. */
    readonly reject?: any,
  ) {
    super(message);
  }
}

/** The error of a reply that is no success. */
export function failure(
  type: string,
  { kind, outcome, payload }: Failed,
  options?: ErrorOptions,
): CallError {
  const text = `${type}: ${kind} ${JSON.stringify(payload ?? outcome)}`;
  const [error, fault] = kind === "fault" ? [, payload] : [payload];
  return new CallError(kind, outcome, text, error, fault, options);
}
