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
}

/** What leaves: a header, and the payload as the JSON text that stays the same in every attempt. */
export interface Outgoing {
  head: Head;
  body: string;
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

/**
 * The fields that the payload of a control frame must have: a letter for the type, the path, and
 * `?` where it may be absent. A frame that is not listed has none that this client reads.
 */
const SHAPES: Record<string, string> = {
  $welcome:
    "nversion ssession.id ssession.ticket nsession.ttl_ms bsession.resumed nrecv " +
    "nheartbeat.interval_ms nheartbeat.timeout_ms nlimits.max_frame nlimits.window " +
    "nlimits.rate.per_s nlimits.rate.burst",
  $reject: "nclose serror.code serror.message serror.retry nerror.after_ms?",
  $close: "ncode sreason",
  $ping: "nt",
  $ok: "sepoch? noff? brecovered?",
  $err: "scode smessage sretry nafter_ms?",
  $unsubbed: "scode sreason sretry",
  $gap: "sreason nafter? nuntil? ndropped?",
  $credit: "nn",
};

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const LARGEST = 2 ** 53 - 1;
const NESTING = 64;
const RESUMES = [1001, 1005, 1006, 1011, 1012, 1013];

/** Reads a message. `undefined` where it is no envelope, or a control frame without its fields. */
export function decode(text: string): Envelope | undefined {
  let it: any;
  try {
    it = JSON.parse(text);
    for (const field of ["id", "re"]) it[field] &&= it[field].toLowerCase();
  } catch {
    return;
  }
  const isEnvelope =
    has(it, "stype nts sid sre? nseq? nack? sch? noff? nprev? skey? nttl? stp?") &&
    it.payload !== undefined &&
    it.type.length > 0 &&
    it.type.length <= 128 &&
    UUID.test(it.id) &&
    (it.re === undefined || UUID.test(it.re)) &&
    !isDeeper(it, NESTING);
  const shape = isEnvelope && Object.hasOwn(SHAPES, it.type) ? SHAPES[it.type] : "";
  return isEnvelope && (!shape || has(it.payload, shape)) ? it : undefined;
}

/** Writes a message; the fields stand in the order of the protocol's table. */
export function encode({ head, body }: Outgoing): string {
  const { type, id, ts, re, seq, ack, ch, key, ttl, tp } = head;
  const fields = JSON.stringify({ type, id, ts, re, seq, ack, ch, key, ttl, tp });
  return `${fields.slice(0, -1)},"payload":${body}}`;
}

/** How many bytes a text has on the wire. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** What the range of a close code says (section 10). */
export function advice(code: number): Advice {
  const range = Math.floor(code / 100);
  if (RESUMES.includes(code) || range === 40) return "resume";
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

function has(value: any, shape: string): boolean {
  return shape.split(" ").every((word) => {
    const isOptional = word.endsWith("?");
    const path = word.slice(1, isOptional ? -1 : undefined).split(".");
    const field = path.reduce((it, name) => it?.[name], value);
    if (field === undefined) return isOptional && Object(value) === value;
    if (word[0] === "n") return Number.isInteger(field) && field >= 0 && field <= LARGEST;
    return typeof field === (word[0] === "s" ? "string" : "boolean");
  });
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || !value) return false;
  return levels === 0 || Object.values(value).some((it) => isDeeper(it, levels - 1));
}
