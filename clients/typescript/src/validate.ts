import { CallError } from "./errors.js";
import type { Hooks, Part } from "./events.js";
import type { Session } from "./core.js";
import type { Envelope } from "./wire.js";

/** A JSON Schema, of the words that `wsp schema export` writes; other words say nothing. */
export type Schema = boolean | { readonly [word: string]: any };

/** The payloads of a protocol by the `type` of their message: what `ws-proto-shapes` writes. */
export interface Shapes {
  /** What the client sends. */
  client: { readonly [type: string]: Schema };
  /** What the server sends. */
  server: { readonly [type: string]: Schema };
  $defs: { readonly [name: string]: Schema };
}

/** Where a payload is not what its type says: the one place that says most. */
export interface Invalid {
  /** A JSON Pointer into the payload; empty for the payload itself. */
  path: string;
  message: string;
}

/**
 * What a subscription of a client with `validation` may give besides the items of its type: an
 * event that is not what its type says. Its position counts, and everything else goes on.
 */
export interface InvalidItem {
  type: "$invalid";
  payload: Invalid & { event: string };
  off: number | undefined;
}

/**
 * Looks at each payload at the border. What the program sends fails with a `CallError` of the kind
 * `invalid`, not sent. An answer that is wrong fails its call with the fault `invalid`; an event is
 * an `InvalidItem`; a snapshot ends its subscription; a callback is answered `invalid`. A `type`
 * that the shapes do not know is passed on.
 */
export function validation(shapes: Shapes): Part {
  return (session) => new Validating(session, shapes);
}

/** The first mistake of a value, or nothing. */
export function validate(
  schema: Schema,
  value: unknown,
  $defs: Shapes["$defs"] = {},
): Invalid | undefined {
  return new Checker($defs).check(schema, value, "");
}

class Validating implements Hooks {
  #session: Session;
  #shapes: Shapes;

  constructor(session: Session, shapes: Shapes) {
    this.#session = session;
    this.#shapes = shapes;
  }

  check_(type: string, payload: unknown): void {
    const it = this.#find("client", type, payload);
    if (it) throw new CallError(text(type, it), { kind: "invalid", outcome: "NotSent", error: it });
  }

  receive_(frame: Envelope): boolean {
    const { type, id, re, ch, payload } = frame;
    const session = this.#session;
    const it = type[0] === "$" ? undefined : this.#find("server", type, payload);
    if (!it) return false;
    const message = text(type, it);
    if (ch && re) {
      const to_ = session.listened_.get(ch);
      if (to_) {
        session.unsubscribe_(to_);
        to_.fail_({ code: "invalid", message, retry: "never" });
      }
    } else if (ch) {
      frame.payload = { ...it, event: type };
      frame.type = `${ch.split("/")[0]}.$invalid`;
      return false;
    } else if (re) {
      const call = session.calls_.get(re);
      const isItem = type.endsWith(".item");
      if (call && isItem) session.sendCancel_(call);
      if (call) session.fault_(call, "invalid", "never", isItem ? "Unknown" : "Processed", message);
    } else {
      const about = { re: id.toLowerCase() };
      session.push_("$err", about, { code: "invalid", message, retry: "never" });
    }
    return true;
  }

  #find(side: "client" | "server", type: string, payload: unknown): Invalid | undefined {
    const { $defs } = this.#shapes;
    const shapes = this.#shapes[side];
    if (!Object.hasOwn(shapes, type)) return;
    return validate(shapes[type] as Schema, payload, $defs);
  }
}

class Checker {
  #defs: Shapes["$defs"];

  constructor($defs: Shapes["$defs"]) {
    this.#defs = $defs;
  }

  check(schema: Schema, value: any, path: string): Invalid | undefined {
    if (schema === true) return;
    if (schema === false) return { path, message: "nothing is allowed here" };
    const { $ref, type, enum: words, allOf, anyOf, oneOf } = schema;
    const say = (message: string): Invalid => ({ path, message });
    if ($ref !== undefined) {
      const found = this.check(this.#defs[$ref.split("/").at(-1)] ?? true, value, path);
      if (found) return found;
    }
    for (const one of allOf ?? []) {
      const found = this.check(one, value, path);
      if (found) return found;
    }
    const types = type === undefined ? [] : [type].flat();
    if (types.length && !types.some((name) => isA(name, value))) {
      return say(`expected ${types.join(" or ")}, found ${nameOf(value)}`);
    }
    const isConst = Object.hasOwn(schema, "const");
    if (isConst && value !== schema.const) return say(`expected ${JSON.stringify(schema.const)}`);
    if (words && !words.includes(value)) return say(`expected one of ${words.join(", ")}`);
    const found = this.#bounds(schema, value, path) ?? this.#inside(schema, value, path);
    return found ?? this.#choice(anyOf ?? oneOf, value, path);
  }

  #bounds(schema: Record<string, any>, value: any, path: string): Invalid | undefined {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    const { minLength = 0, maxLength = Infinity, minItems = 0, maxItems = Infinity } = schema;
    const outside = (size: number, low: number, high: number, what: string) =>
      size < low || size > high
        ? { path, message: `expected ${what} from ${low} to ${high}, found ${size}` }
        : undefined;
    if (typeof value === "number") return outside(value, minimum, maximum, "a number");
    if (typeof value === "string") {
      return outside([...value].length, minLength, maxLength, "characters");
    }
    return Array.isArray(value) ? outside(value.length, minItems, maxItems, "items") : undefined;
  }

  #inside(schema: Record<string, any>, value: any, path: string): Invalid | undefined {
    const { required, properties = {}, additionalProperties = true } = schema;
    const { prefixItems = [], items = true } = schema;
    if (!isA("object", value) && !isA("array", value)) return;
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) {
        const found = this.check(prefixItems[at] ?? items, item, `${path}/${at}`);
        if (found) return found;
      }
      return;
    }
    const lacks = required?.find((name: string) => value[name] === undefined);
    if (lacks !== undefined) return { path: `${path}/${pointer(lacks)}`, message: "is missing" };
    for (const [name, field] of Object.entries(value)) {
      if (field === undefined) continue;
      const one = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
      const found = this.check(one, field, `${path}/${pointer(name)}`);
      if (found) return found;
    }
    return;
  }

  /** Of several choices the mistake of the one that fits deepest. */
  #choice(choices: Schema[] = [], value: any, path: string): Invalid | undefined {
    let deepest: Invalid | undefined;
    for (const choice of choices) {
      const found = this.check(choice, value, path);
      if (!found) return;
      const isDeeper = found.path.split("/").length > (deepest?.path.split("/").length ?? 0);
      if (isDeeper) deepest = found;
    }
    if (choices.length < 2 || deepest?.path !== path) return deepest;
    return { path, message: `${nameOf(value)} fits none of ${choices.length} choices` };
  }
}

function isA(name: string, value: unknown): boolean {
  if (name === "integer") return Number.isSafeInteger(value);
  return name === nameOf(value) || (name === "string" && value instanceof Uint8Array);
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function pointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

function text(type: string, { path, message }: Invalid): string {
  return `${type}: ${path || "the payload"}: ${message}`;
}
