import { sound, type Envelope, type Format } from "./wire.js";

/** Levels of nesting; the envelope is the first (docs/protocol.md, section 12). */
const NESTING = 32;
const HEADER = ["re", "seq", "ack", "ch", "off", "prev", "key", "ttl", "tp"] as const;

/**
 * The wire format `wsp1.msgpack` (docs/protocol.md, section 2): the option `format` of a client.
 * Bytes and UUIDs of payloads are `Uint8Array`s. What cannot travel throws a `TypeError`.
 */
export const msgpack: Format = {
  protocol: "wsp1.msgpack",
  body: (payload) => encode(payload ?? null),
  write({ head, body }) {
    const writer = new Writer();
    const header = HEADER.filter((name) => head[name] !== undefined);
    writer.byte(0x95);
    writer.value(head.type, 2);
    writer.value(bytesOf(head.id), 2);
    writer.value(head.ts, 2);
    if (header.length) writer.length(header.length, 0x80, 16, 0, 0xde);
    else writer.byte(0xc0);
    for (const name of header) {
      writer.value(name, 2);
      writer.value(name === "re" ? bytesOf(head.re as string) : head[name], 2);
    }
    writer.bytes(body as Uint8Array);
    return writer.done();
  },
  read(data) {
    if (typeof data === "string") return 4504;
    try {
      return envelope(decode(new Uint8Array(data), 1));
    } catch {
      return;
    }
  },
};

/** One value as MessagePack. */
export function encode(value: unknown, depth = 2): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.value(value, depth);
  return writer.done();
}

/** The one value of these bytes. Throws where there is another one, or none. */
export function decode(bytes: Uint8Array, depth = 2): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(depth);
  if (reader.left) throw new TypeError("bytes after the value");
  return value;
}

function envelope(value: any): Envelope | undefined {
  if (!Array.isArray(value) || value.length !== 5) return;
  const [type, id, ts, header, payload] = value;
  const isHeader = header === null || Object.getPrototypeOf(header) === Object.prototype;
  if (!isHeader || Object.hasOwn(header ?? {}, "type")) return;
  const re = header?.re === undefined ? {} : { re: textOf(header.re) };
  return sound({ ...header, ...re, type, id: textOf(id), ts, payload });
}

/** A UUID as text; anything else is no UUID. */
function textOf(bytes: unknown): string {
  if (!(bytes instanceof Uint8Array) || bytes.length !== 16) return "";
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function bytesOf(uuid: string): Uint8Array {
  const pairs = uuid.replaceAll("-", "").match(/../g) as string[];
  return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
}

class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  byte(byte: number): void {
    this.#put("setUint8", 1, byte);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  done(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  value(value: any, depth: number): void {
    if (typeof value?.toJSON === "function") value = value.toJSON();
    if (value === null || value === undefined) this.byte(0xc0);
    else if (typeof value === "boolean") this.byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "string") {
      const text = new TextEncoder().encode(value);
      this.length(text.length, 0xa0, 32, 0xd9, 0xda);
      this.bytes(text);
    } else if (value instanceof Uint8Array) {
      this.length(value.length, 0, 0, 0xc4, 0xc5);
      this.bytes(value);
    } else if (typeof value === "object") this.#container(value, depth);
    else throw new TypeError(`a ${typeof value} cannot travel`);
  }

  /** A length: in the first byte where it fits, else in one (where there is that), two or four. */
  length(length: number, fix: number, below: number, one: number, two: number): void {
    if (length < below) this.byte(fix | length);
    else if (one && length < 256) {
      this.byte(one);
      this.byte(length);
    } else if (length < 65_536) {
      this.byte(two);
      this.#put("setUint16", 2, length);
    } else {
      this.byte(two + 1);
      this.#put("setUint32", 4, length);
    }
  }

  #container(value: any, depth: number): void {
    if (depth > NESTING) throw new TypeError("nested too deep");
    if (Array.isArray(value)) {
      this.length(value.length, 0x90, 16, 0, 0xdc);
      for (const item of value) this.value(item, depth + 1);
      return;
    }
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    this.length(fields.length, 0x80, 16, 0, 0xde);
    for (const [name, field] of fields) {
      this.value(name, depth + 1);
      this.value(field, depth + 1);
    }
  }

  #number(value: number): void {
    if (!Number.isFinite(value)) throw new TypeError(`${value} cannot travel`);
    if (!Number.isSafeInteger(value)) {
      this.byte(0xcb);
      this.#put("setFloat64", 8, value);
    } else if (value >= -32 && value < 128) this.byte(value & 0xff);
    else if (value >= 0) this.#integer(value, 0xcc, [2 ** 8, 2 ** 16, 2 ** 32]);
    else this.#integer(value, 0xd0, [2 ** 7, 2 ** 15, 2 ** 31]);
  }

  /** The smallest width; `limits` are those of one, two and four bytes. */
  #integer(value: number, code: number, limits: number[]): void {
    const size = value < 0 ? -value - 1 : value;
    const width = limits.filter((limit) => size >= limit).length;
    this.byte(code + width);
    if (width === 3) this.#put("setBigInt64", 8, BigInt(value));
    else if (width === 2) this.#put("setUint32", 4, value >>> 0);
    else if (width === 1) this.#put("setUint16", 2, value & 0xffff);
    else this.byte(value & 0xff);
  }

  #put(
    as: "setUint8" | "setUint16" | "setUint32" | "setFloat64" | "setBigInt64",
    width: number,
    value: number | bigint,
  ): void {
    // First: the view may be another one afterwards.
    const at = this.#room(width);
    this.#view[as](at, value as never);
  }

  #room(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    if (this.#at > this.#bytes.length) {
      const larger = new Uint8Array(this.#at * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

class Reader {
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  value(depth: number): unknown {
    const code = this.#unsigned(1);
    if (code < 0x80) return code;
    if (code < 0x90) return this.#map(code & 15, depth);
    if (code < 0xa0) return this.#array(code & 15, depth);
    if (code < 0xc0) return this.#text(code & 31);
    if (code >= 0xe0) return code - 256;
    // Where a width is one, two, four or eight bytes, the code counts it up.
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return code === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#unsigned(1 << (code - 0xc4))).slice();
      case 0xca:
      case 0xcb:
        return this.#float(code === 0xca ? 4 : 8);
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (code - 0xcc));
      case 0xcf:
        return safe(this.#view.getBigUint64(this.#next(8)));
      case 0xd0:
        return this.#view.getInt8(this.#next(1));
      case 0xd1:
        return this.#view.getInt16(this.#next(2));
      case 0xd2:
        return this.#view.getInt32(this.#next(4));
      case 0xd3:
        return safe(this.#view.getBigInt64(this.#next(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (code - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (code - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (code - 0xde)), depth);
    }
    throw new TypeError(`the code ${code} is not of this format`);
  }

  #array(length: number, depth: number): unknown[] {
    this.#bound(length, depth);
    const items = [];
    while (items.length < length) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): object {
    this.#bound(length * 2, depth);
    const fields = new Map<string, unknown>();
    while (length--) {
      const name = this.value(depth + 1);
      if (typeof name !== "string" || fields.has(name)) throw new TypeError("no key, or twice");
      fields.set(name, this.value(depth + 1));
    }
    return Object.fromEntries(fields);
  }

  /** Each value has a byte at least: a declared length reserves nothing. */
  #bound(values: number, depth: number): void {
    if (depth > NESTING || values > this.left) throw new TypeError("too deep, or too short");
  }

  #text(length: number): string {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#take(length));
  }

  #float(width: number): number {
    const at = this.#next(width);
    const value = width === 4 ? this.#view.getFloat32(at) : this.#view.getFloat64(at);
    if (!Number.isFinite(value)) throw new TypeError("not finite");
    return value;
  }

  #unsigned(width: number): number {
    const at = this.#next(width);
    if (width === 1) return this.#view.getUint8(at);
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #take(length: number): Uint8Array {
    const at = this.#next(length);
    return this.#bytes.subarray(at, at + length);
  }

  #next(length: number): number {
    if (length > this.left) throw new TypeError("too short");
    this.#at += length;
    return this.#at - length;
  }
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new TypeError("an integer that is too large");
  return number;
}
