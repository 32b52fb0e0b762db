/** A message's header (docs/protocol.md, section 2). Fields that do not apply are absent. */
export interface Head {
  type: string;
  id: string;
  ts: number;
  re?: string | undefined;
  seq?: number | undefined;
  ack?: number | undefined;
  ch?: string | undefined;
  off?: number;
  prev?: number;
  key?: string | undefined;
  ttl?: number;
  tp?: string;
}

/** What arrives: a header and a payload of any type. */
export interface Envelope extends Head {
  payload: any;
}

/** A payload as it travels: written once, the same in every attempt. */
export type Body = string | Uint8Array<ArrayBuffer>;

/** What leaves. */
export interface Outgoing {
  head: Head;
  body: Body;
}

/** How envelopes are written (section 2): JSON here, MessagePack in `msgpack`. */
export interface Format {
  /** The WebSocket sub-protocol, `wsp1.json`. */
  protocol: string;
  body(payload: unknown): Body;
  write(frame: Outgoing): Body;
  /** The envelope, or the code to close with; neither where it is none. */
  read(data: any): Envelope | number | undefined;
}

/** Why one message failed (section 7). */
export interface Fault {
  code: string;
  message: string;
  retry: "never" | "safe" | "after" | "unknown";
  after_ms?: number;
  details?: Record<string, string>;
}

/** A place in a channel's log (section 8). */
export interface Position {
  epoch: string;
  off: number;
}

/** The payload of `$ok`. */
export interface Done extends Partial<Position> {
  recovered?: boolean;
  reason?: "epoch" | "trimmed";
}

/** The payload of `$gap`. */
export interface Gap {
  reason: "trimmed" | "version" | "slow";
  after?: number;
  until?: number;
  dropped?: number;
}

/** What is asked of a value by an example: `[x]` may be absent, `0` is a whole number, not below. */
const ENVELOPE = {
  type: "",
  id: "",
  ts: 0,
  re: [""],
  seq: [0],
  ack: [0],
  ch: [""],
  off: [0],
  prev: [0],
  key: [""],
  ttl: [0],
  tp: [""],
};
/** What a control frame must have, besides what every envelope has. */
export const SHAPES: Record<string, any> = {
  $welcome: {
    payload: {
      version: 0,
      session: { id: "", ticket: "", resumed: true },
      recv: 0,
      heartbeat: { interval_ms: 0, timeout_ms: 0 },
      limits: { max_frame: 0, rate: { per_s: 0, burst: 0 } },
    },
  },
  $reject: { payload: { close: 0, error: { code: "", message: "", retry: "", after_ms: [0] } } },
  $close: { payload: { code: 0, reason: "", retry_after_ms: [{ 0: 0, 1: 0 }] } },
  $ping: { payload: { t: 0 } },
  $pong: { payload: { t: 0 } },
  $ack: { payload: {} },
  $auth_ok: { re: "" },
  $auth_required: { payload: {} },
  $cancel: { seq: 0, re: "" },
  $end: { seq: 0, re: "" },
  $credit: { seq: 0, re: "", payload: { n: 0 } },
  $ok: { seq: 0, re: "", payload: { epoch: [""], off: [0], recovered: [true] } },
  $err: { seq: 0, re: "", payload: { code: "", message: "", retry: "", after_ms: [0] } },
  $unsubbed: { seq: 0, ch: "", payload: { code: "", retry: "", reason: "" } },
  $live: { ch: "", off: 0 },
  $gap: { ch: "", payload: { reason: "", after: [0], until: [0], dropped: [0] } },
  // Only clients send these, and no frame is a number.
  $auth: 0,
  $sub: 0,
  $unsub: 0,
};

/** An `id` and a `re`. */
const UUIDS = /^([\da-f]{8}(-[\da-f]{4}){4}[\da-f]{8}){2}$/i;

/** JSON, in text messages. */
export const json: Format = {
  protocol: "wsp1.json",
  body: (payload) => JSON.stringify(payload ?? null),
  // The fields stand in the order of section 2.
  write: ({ head, body }) =>
    `${JSON.stringify(head, Object.keys(ENVELOPE)).slice(0, -1)},"payload":${body}}`,
  read: (data) => (data.at ? decode(data) : 4504),
};

/** Reads a message. `undefined` where it is no envelope, or a control frame without its fields. */
export function decode(text: string): Envelope | undefined {
  try {
    const it = JSON.parse(text);
    return isDeeper(it, 64) ? undefined : sound(it);
  } catch {
    return;
  }
}

/** The same envelope, where it is one. */
export function sound(it: any): Envelope | undefined {
  it.re &&= it.re.toLowerCase();
  const { type, id, re = id } = it;
  const isSound =
    fits(it, ENVELOPE) &&
    it.payload !== undefined &&
    type && type.length <= 128 &&
    UUIDS.test(id + re) &&
    fits(it, SHAPES[type] ?? {});
  return isSound ? it : undefined;
}

/** How many bytes a payload has on the wire. */
export function byteLength(body: Body): number {
  return typeof body === "string" ? new TextEncoder().encode(body).length : body.length;
}

/** The address of a channel: its kind and its fields, in their order (section 3). */
export function address<K extends string>(
  kind: K,
  ...fields: (string | number | boolean | bigint)[]
): K | `${K}/${string}` {
  const escape = (field: unknown) =>
    encodeURIComponent(String(field)).replace(/[!'()*]/g, (it) =>
      `%${it.charCodeAt(0).toString(16).toUpperCase()}`);
  return [kind, ...fields.map(escape)].join("/") as K;
}

function fits(it: any, like: any): boolean {
  if (like === 0) return Number.isSafeInteger(it) && it >= 0;
  if (Object(like) !== like) return typeof it === typeof like;
  if (like.at) return it === undefined || fits(it, like[0]);
  return Object(it) === it && Object.keys(like).every((name) => fits(it[name], like[name]));
}

function isDeeper(value: any, levels: number): boolean {
  if (Object(value) !== value) return false;
  return !levels || Object.values(value).some((it) => isDeeper(it, levels - 1));
}
