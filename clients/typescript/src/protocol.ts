import type { Served } from "./callbacks.js";

/**
 * What `wsp gen typescript` writes for a protocol, or you by hand: one interface with the payloads
 * of each request and the events of each channel.
 *
 * ```ts
 * interface Chat {
 *   requests: { join: { payload: Join; reply: Joined; error: JoinError } };
 *   channels: { room: { params: { name: string }; events: { said: Message } } };
 * }
 * ```
 *
 * A request that streams has `item`, one that takes an upload has `part`, a channel with a snapshot
 * has `snapshot`. What the server asks its clients stands in `callbacks`.
 */
export interface Shape {
  requests: object;
  channels: object;
  callbacks?: object;
}

/** A protocol of which nothing is known: every payload is `any`. */
export interface AnyProtocol {
  requests: Record<string, { payload: any; reply: any; error: any; item: any; part: any }>;
  channels: Record<string, { params: any; events: Record<string, any>; snapshot: any }>;
  callbacks: Record<string, { payload: any; reply: any; error: any }>;
}

/** What a client must know of a protocol while it runs. */
export interface Contract {
  /** The name of the protocol, `chat`. */
  protocol: string;
  /** The lowest and the highest version that this client speaks. */
  versions: readonly [number, number];
  /** A hash of the contract; a difference is logged by the server, nothing else. */
  fingerprint?: string;
  /** What is special about a request; those that are not listed have nothing special. */
  requests?: { readonly [type: string]: RequestInfo };
}

/** What is special about a request. */
export interface RequestInfo extends Served {
  /** It may be worked on twice, so it is sent again, with the same key, when a session is lost. */
  idempotent?: boolean;
  /** The server keeps its answer under its key: the same. */
  dedup?: boolean;
}

type Names<T> = keyof T & string;
type Field<T, Name extends string> = T extends { [N in Name]: infer F } ? F : never;

/** The names of the requests. */
export type Requests<P extends Shape> = Names<P["requests"]>;
/** The names of the requests with an optional field: `item` or `part`. */
export type RequestsWith<P extends Shape, Name extends string> = {
  [K in Requests<P>]: P["requests"][K] extends { [N in Name]: unknown } ? K : never;
}[Requests<P>];
export type PayloadOf<P extends Shape, K extends Requests<P>> = Field<P["requests"][K], "payload">;
export type ReplyOf<P extends Shape, K extends Requests<P>> = Field<P["requests"][K], "reply">;
export type ErrorOf<P extends Shape, K extends Requests<P>> = Field<P["requests"][K], "error">;
export type ItemOf<P extends Shape, K extends Requests<P>> = Field<P["requests"][K], "item">;
export type PartOf<P extends Shape, K extends Requests<P>> = Field<P["requests"][K], "part">;

/** The kinds of channels. */
export type Kinds<P extends Shape> = Names<P["channels"]>;
/** The addresses of channels: `lobby`, `room/lobby`. Write fields with `address`. */
export type AddressOf<P extends Shape> = Kinds<P> | `${Kinds<P>}/${string}`;
/** The kind of an address. */
export type KindOf<A extends string> = A extends `${infer K}/${string}` ? K : A;
/** The events of an address, by name. */
export type EventsOf<P extends Shape, A extends string> =
  KindOf<A> extends Kinds<P> ? Field<P["channels"][KindOf<A>], "events"> : never;
type SnapshotOf<P extends Shape, A extends string> =
  KindOf<A> extends Kinds<P> ? Field<P["channels"][KindOf<A>], "snapshot"> : never;

/** Events of a channel that will never come: loss is said, never silent. */
export interface GapItem {
  type: "$gap";
  /**
   * `trimmed`: the log no longer keeps them. `epoch`: the history was lost or made anew. `slow`: a
   * connection was behind, or away, on a channel that does not keep its events.
   */
  reason: "trimmed" | "epoch" | "slow";
  /** Nothing after this position .. */
  after?: number | undefined;
  /** .. up to and including this one will come. */
  until?: number | undefined;
  /** How many were dropped, where that is known. */
  dropped?: number | undefined;
}

/** What a subscription gives, in the order of the channel. Switch on `type`. */
export type Item<P extends Shape, A extends string> =
  | {
      [E in Names<EventsOf<P, A>>]: {
        type: E;
        payload: EventsOf<P, A>[E];
        /** The position, on a channel that has positions. */
        off: number | undefined;
      };
    }[Names<EventsOf<P, A>>]
  | GapItem
  /** The replay is over; what follows happens now. */
  | { type: "$live"; off: number }
  /** Start over from this state. It stands for every event that is missing before it. */
  | ([SnapshotOf<P, A>] extends [never]
      ? never
      : { type: "$snapshot"; payload: SnapshotOf<P, A> })
  /** The server ended the subscription, or the client stopped. Nothing follows. */
  | { type: "$ended"; code: string; reason: string };

/** What serves a callback. Throw a `Rejection` for the typed error. */
export type Handlers<P extends Shape> = {
  [K in Names<P["callbacks"]>]: Served & {
    handle(
      payload: Field<NonNullable<P["callbacks"]>[K & keyof P["callbacks"]], "payload">,
      stop: AbortSignal,
    ):
      | Promise<Field<NonNullable<P["callbacks"]>[K & keyof P["callbacks"]], "reply">>
      | Field<NonNullable<P["callbacks"]>[K & keyof P["callbacks"]], "reply">;
  };
};
