/** The short form of docs/sessions/README.md: words, and a JSON value at the end. */
export class Short {
  constructor(
    readonly words: string[],
    readonly json?: any,
  ) {}

  static parse(text: string): Short {
    const start = text.search(/(?:^|\s)(?:[{["]|null$)/);
    const head = start < 0 ? text : text.slice(0, start);
    const json = start < 0 ? undefined : JSON.parse(text.slice(start));
    return new Short(head.split(" ").filter(Boolean), json);
  }

  get first(): string {
    return this.words[0] ?? "";
  }

  /** The type of a frame, without the name of the message. */
  get type(): string {
    return this.first.split("#")[0] as string;
  }

  get label(): string | undefined {
    return this.first.split("#")[1];
  }

  get re(): string | undefined {
    return this.words.find((word) => word.startsWith("re#"))?.slice(3);
  }

  /** A plain word by its place. */
  at(place: number): string {
    return this.words.filter((word) => !word.includes("="))[place] ?? "";
  }

  field(name: string): string | undefined {
    return this.words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
  }

  number(name: string): number | undefined {
    const text = this.field(name);
    return text === undefined || text === "-" ? undefined : Number(text);
  }

  toString(): string {
    return this.words.join(" ") + (this.json === undefined ? "" : ` ${JSON.stringify(this.json)}`);
  }
}

/** What the words of a control frame stand for. */
export function said(short: Short): any {
  const word = short.words.slice(1).find((it) => !/[=#]/.test(it));
  const names: Record<string, string> = {
    $welcome: "version",
    $reject: "close",
    $close: "code",
    $credit: "n",
    $err: "code",
    $unsubbed: "code",
    $gap: "reason",
  };
  if (word === undefined) return short.json;
  if (short.type === "$hello") {
    const version = short.at(2).split("..").map(Number);
    return { protocol: word, version, ...short.json };
  }
  const name = names[short.type];
  if (!name) throw new Error(`\`${short.type}\` takes no word \`${word}\``);
  return { [name]: /^\d+$/.test(word) ? Number(word) : word, ...short.json };
}

/** Milliseconds of `250ms`, `1s`, `1min`. */
export function duration(text: string): number {
  const match = /^(\d+)(ms|s|min)$/.exec(text);
  if (!match) throw new Error(`\`${text}\` is no time`);
  return Number(match[1]) * { ms: 1, s: 1000, min: 60_000 }[match[2] as "ms" | "s" | "min"];
}

export function position(text: string | undefined): { epoch: string; off: number } | undefined {
  const [epoch, off] = text?.split(":") ?? [];
  return epoch === undefined ? undefined : { epoch, off: Number(off) };
}

/** Whether everything that is expected is there; `null` says that a field is absent. */
export function isWithin(expected: any, got: any): boolean {
  if (Object(expected) !== expected || Array.isArray(expected)) {
    return JSON.stringify(expected) === JSON.stringify(got);
  }
  return Object.entries(expected).every(([name, value]) =>
    got?.[name] === undefined ? value === null : isWithin(value, got[name]),
  );
}

export function merge(whole: any, more: any): any {
  if (more === undefined) return whole;
  if (Object(more) !== more || Array.isArray(more) || Object(whole) !== whole) return more;
  const merged = { ...whole };
  for (const [name, value] of Object.entries(more)) merged[name] = merge(merged[name], value);
  return merged;
}
