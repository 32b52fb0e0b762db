// Every way in which a value can break its schema by one change: a required field that is missing,
// a value of another JSON type, a word that is none of those allowed.

const OTHERS = {
  string: [7, true, [], {}, null],
  integer: ["7", 1.5, true, [], {}, null],
  number: ["7", true, [], {}, null],
  boolean: ["true", 7, [], {}, null],
  array: ["x", 7, true, {}, null],
  object: ["x", 7, true, [], null],
  null: ["x", 7, true, []],
};

/**
 * The broken values: `value`, `path` of what was broken, and `what` was done to it. Where
 * `isAbsence`, an optional field became `null`.
 */
export function* breaks(schema, value) {
  for (const [path, what, change, isAbsence = false] of changes(schema, schema, value, [])) {
    const broken = structuredClone(value);
    if (!path.length) {
      yield { value: change(), path, what, isAbsence };
      continue;
    }
    const place = path.slice(0, -1).reduce((at, key) => at[key], broken);
    change(place, path.at(-1));
    yield { value: broken, path, what: `${what} /${path.join("/")}`, isAbsence };
  }
}

function* changes(root, given, value, path, isOptional = false) {
  const schema = resolved(root, given, value);
  const types = [schema.type ?? []].flat();
  const put = (other) => (path.length ? (place, key) => (place[key] = other) : () => other);
  if (types.length === 1) {
    for (const other of OTHERS[types[0]]) {
      yield [path, JSON.stringify(other), put(other), isOptional && other === null];
    }
  }
  if (schema.enum || schema.const) yield [path, "another word", put("nobody")];
  if (Array.isArray(value)) {
    // All items have one schema: the first stands for them.
    if (value.length) yield* changes(root, schema.items, value[0], [...path, 0]);
  } else if (value && typeof value === "object") {
    for (const name of schema.required ?? []) {
      yield [[...path, name], "missing", (place, key) => delete place[key]];
    }
    for (const [name, inner] of Object.entries(value)) {
      const known = schema.properties?.[name] ?? schema.additionalProperties;
      if (!known || known === true) continue;
      const isOptional = !!schema.properties?.[name] && !schema.required?.includes(name);
      yield* changes(root, known, inner, [...path, name], isOptional);
    }
  }
}

/** What holds for a value: references followed, and the branch of a union that it is. */
function resolved(root, schema, value) {
  if (schema.$ref) return resolved(root, root.$defs[schema.$ref.split("/").at(-1)], value);
  if (schema.allOf) {
    const parts = schema.allOf.map((part) => resolved(root, part, value));
    return Object.assign({}, ...parts);
  }
  if (schema.discriminator) {
    const tag = schema.discriminator.propertyName;
    const branches = schema.oneOf.map((branch) => resolved(root, branch, value));
    const branch = branches.find(({ properties }) => properties[tag].const === value[tag]);
    return { ...branch, type: schema.type };
  }
  return schema;
}
