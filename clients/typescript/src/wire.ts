/** A message's header (docs/protocol.md, section 2). Fields that do not apply are absent. */
export interface Head {
  type: string;
  id: string;
  ts: number;
  re?: string;
  seq?: number;
  ack?: number;
  ch?: string;
  off?: number;
  prev?: number;
  key?: string;
  ttl?: number;
  tp?: string;
}

/** What arrives: a header and a payload of any type. */
export interface Envelope extends Head {
  payload: any;
  /** Bytes of the message, or characters where it was text. */
  size?: number;
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

/** What a client does after a close (section 10). */
export type Advice = "resume" | "fresh_session" | "new_credentials" | "delay" | "stop";

const HEADER = "type id ts re seq ack ch key ttl tp".split(" ");
const ENVELOPE = "Stype Nts Sid Sre? Nseq? Nack? Sch? Noff? Nprev? Skey? Nttl? Stp?";
/** The one field of a frame that only clients send: no server's frame has it. */
const OURS = "S-";
/**
 * What a control frame must have: a letter for the type, in upper case for the header, then the
 * path, and `?` where it may be absent.
 */
export const SHAPES: Record<string, string> = {
  $welcome:
    "nversion ssession.id ssession.ticket bsession.resumed nrecv nheartbeat.interval_ms " +
    "nheartbeat.timeout_ms nlimits.max_frame nlimits.rate.per_s nlimits.rate.burst",
  $reject: "nclose serror.code serror.message serror.retry nerror.after_ms?",
  $close: "ncode sreason",
  $ping: "nt",
  $pong: "nt",
  $ack: "n-?",
  $auth_ok: "Sre",
  $auth_required: "n-?",
  $cancel: "Nseq Sre",
  $end: "Nseq Sre",
  $credit: "Nseq Sre nn",
  $ok: "Nseq Sre sepoch? noff? brecovered?",
  $err: "Nseq Sre scode smessage sretry nafter_ms?",
  $unsubbed: "Nseq Sch scode sreason sretry",
  $live: "Sch Noff",
  $gap: "Sch sreason nafter? nuntil? ndropped?",
  $auth: OURS,
  $sub: OURS,
  $unsub: OURS,
};

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** JSON, in text messages. */
export const json: Format = {
  protocol: "wsp1.json",
  body: (payload) => JSON.stringify(payload ?? null),
  write: ({ head, body }) => `${JSON.stringify(head, HEADER).slice(0, -1)},"payload":${body}}`,
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
  for (const field of ["id", "re"]) it[field] &&= it[field].toLowerCase();
  const { type, id, re = id } = it;
  const isSound =
    has(it, ENVELOPE) &&
    it.payload !== undefined &&
    /^.{1,128}$/s.test(type) &&
    UUID.test(id) &&
    UUID.test(re) &&
    has(it, type[0] === "$" && SHAPES[type] || "Stype");
  return isSound ? it : undefined;
}

/** How many bytes a payload has on the wire. */
export function byteLength(body: Body): number {
  return typeof body === "string" ? new TextEncoder().encode(body).length : body.length;
}

/** What the range of a close code says (section 10). */
export function advice(code: number): Advice {
  const range = Math.floor(code / 100);
  if (range === 40 || [1001, 1005, 1006, 1011, 1012, 1013].includes(code)) return "resume";
  if (range === 41) return "fresh_session";
  if (range === 42) return "new_credentials";
  return range === 43 || range === 44 ? "delay" : "stop";
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

function has(it: any, shape: string): boolean {
  return shape.split(" ").every((word) => {
    const [, letter = "", path = "", optional] = /(.)([^?]*)(.?)/.exec(word) as string[];
    const isHead = letter < "a";
    const from = isHead ? it : it.payload;
    const field = path.split(".").reduce((value, name) => value?.[name], from);
    if (field === undefined) return !!optional && (isHead || Object(from) === from);
    if (/n/i.test(letter)) return Number.isSafeInteger(field) && field >= 0;
    return typeof field === (letter === "b" ? "boolean" : "string");
  });
}

function isDeeper(value: any, levels: number): boolean {
  if (Object(value) !== value) return false;
  return !levels || Object.values(value).some((it) => isDeeper(it, levels - 1));
}
