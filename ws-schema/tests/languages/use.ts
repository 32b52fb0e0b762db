import {
  allShapes,
  type AllShapes,
  type Choice,
  type Failed,
  type ServerMessage,
  type Shapes,
  type ShapesInput,
  type Words,
} from "./protocol.js";

// Every variant has its case, so nothing is left for the end of the function.
export function area(choice: Choice): number {
  switch (choice.kind) {
    case "circle":
      return Math.PI * choice.radius ** 2;
    case "square":
      return choice.side ** 2;
    case "nothing":
      return 0;
  }
}

export function forgets(choice: Choice): number {
  switch (choice.kind) {
    case "circle":
    case "square":
      return 1;
    default: {
      // @ts-expect-error: `nothing` is left.
      const left: never = choice;
      return left;
    }
  }
}

export function word(words: Words): string {
  switch (words) {
    case "one":
      return "1";
    case "two_three":
      return "23";
  }
}

export function why(failed: Failed): number {
  return failed === "full" ? 0 : failed.banned.until;
}

export function told(message: ServerMessage): number | null {
  switch (message.type) {
    case "shape.ok":
      return message.payload.maybe ?? 0;
    case "late.ok":
    case "watch.ok":
      return message.payload;
    case "room.entered":
      return message.payload.who.length + message.off;
    default:
      return 0;
  }
}

export const shapes: ShapesInput = {
  nullable: null,
  list: ["one", null],
  pair: [1, 2],
  mixed: [1, "a"],
  map: { a: [1] },
  any: { whatever: true },
  tagged: { kind: "nothing" },
  keyed: { banned: { until: 1 } },
  free: "text",
  "with-hyphen": true,
  next: null,
};
// @ts-expect-error: a server always sends `flag`.
export const sent: Shapes = { ...shapes, nullable: null, next: null };
// @ts-expect-error: absent is not `null`.
export const absent: ShapesInput = { ...shapes, maybe: null };
// @ts-expect-error: no third number.
export const three: ShapesInput = { ...shapes, pair: [1, 2, 3] };
// @ts-expect-error: another order.
export const turned: ShapesInput = { ...shapes, mixed: ["a", 1] };
// @ts-expect-error: no such word.
export const unknownWord: ShapesInput = { ...shapes, list: ["two"] };
// @ts-expect-error: a circle has no side.
export const round: Choice = { kind: "circle", side: 1 };

type Requests = AllShapes["requests"];
type Channels = AllShapes["channels"];
export const nothing: Requests["watch"]["payload"] = {};
// @ts-expect-error: this request carries nothing.
export const something: Requests["watch"]["payload"] = { a: 1 };
export const item: Requests["watch"]["item"] = {
  ...shapes,
  nullable: null,
  flag: true,
  next: null,
};
export const part: Requests["import"]["part"] = "text";
// @ts-expect-error: this request has no error of its own.
export const error: Requests["late"]["error"] = "full";
export const params: Channels["room"]["params"] = { name: "a", number: "1" };
export const snapshot: Channels["room"]["snapshot"] = "one";
export const drawn: Channels["pen"]["publish"]["drawn"] = { at: [0, 1] };
// @ts-expect-error: clients do not publish to rooms.
export type NotPublished = Channels["room"]["publish"];
export const confirm: NonNullable<AllShapes["callbacks"]>["confirm"]["reply"] = true;
export const versions: readonly [number, number] = allShapes.versions;
export const dedup: true = allShapes.requests.late.dedup;
export const since: 3 = allShapes.requests.late.since;
