// Whether frames are what the schemas say: by ajv in its strict mode, and by Pydantic with the
// generated models. Each frame is also broken in every way that the schemas know of, and each
// broken one has to be refused with one error, at the place that was broken.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { breaks } from "./breaks.mjs";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
/** What documents say beyond the keywords of JSON Schema; none of it judges a value. */
const ANNOTATIONS = ["x-enum-descriptions"];
const DOCUMENTS = { chat: "schema/chat.json", control: "schema/control.json" };

/** The two documents, as what `wsp` makes of them. */
export class Schemas {
  #folder = mkdtempSync(join(process.env.TMPDIR ?? "/tmp", "chat-frames-"));
  #sides = new Map();

  constructor() {
    const ajv = new Ajv({ strict: true, discriminator: true, allErrors: false });
    formats(ajv);
    ajv.addVocabulary(ANNOTATIONS);
    for (const [name, document] of Object.entries(DOCUMENTS)) {
      wsp(["gen", "python", document, "--out", join(this.#folder, `${name}.py`)]);
      for (const by of ["client", "server"]) {
        const schema = JSON.parse(wsp(["schema", "export", document, "--format", by]));
        this.#sides.set(`${name} ${by}`, { schema, validate: ajv.compile(schema) });
      }
    }
  }

  /** All that a side may send: the types of both documents. */
  types(by) {
    const unions = ["chat", "control"].map((name) => this.#sides.get(`${name} ${by}`).schema.$defs);
    const union = by === "client" ? "ClientMessage" : "ServerMessage";
    return unions.flatMap((defs) =>
      defs[union].oneOf.map(({ $ref }) => defs[$ref.split("/").at(-1)].properties.type.const),
    );
  }

  /**
   * Fails where a frame is refused, or a broken one is not, or not as it should be. Returns how
   * many there were of both.
   */
  judge(frames) {
    const cases = [];
    let [good, broken] = [0, 0];
    for (const [text, by] of new Map(frames.map(({ text, by }) => [text, by]))) {
      const value = JSON.parse(text);
      const document = value.type.startsWith("$") ? "control" : "chat";
      const { schema, validate } = this.#sides.get(`${document} ${by}`);
      assert.ok(validate(value), `${text}\n${JSON.stringify(validate.errors)}`);
      good += 1;
      cases.push({ document, by, value });
      for (const it of breaks(schema, value)) {
        this.#refuses(validate, it);
        broken += 1;
        // The generated models take `null` for an optional field that is absent.
        if (!it.isAbsence) cases.push({ document, by, value: it.value, path: it.path });
      }
    }
    this.#pydantic(cases);
    return { good, broken };
  }

  close() {
    rmSync(this.#folder, { recursive: true });
  }

  /** One error, at the place that was broken. */
  #refuses(validate, { value, path, what }) {
    const said = () => `${what} ${JSON.stringify(value)}\n${JSON.stringify(validate.errors)}`;
    assert.ok(!validate(value), said());
    assert.equal(validate.errors.length, 1, said());
    const [{ instancePath, params }] = validate.errors;
    const missing = params.missingProperty ?? (params.error && params.tag);
    const place = missing ? [instancePath, missing].join("/") : instancePath;
    const escaped = path.map((key) => `${key}`.replaceAll("~", "~0").replaceAll("/", "~1"));
    assert.equal(place, ["", ...escaped].join("/"), said());
  }

  #pydantic(cases) {
    const file = join(this.#folder, "cases.ndjson");
    writeFileSync(file, cases.map((it) => JSON.stringify(it)).join("\n"));
    const script = fileURLToPath(new URL("judge.py", import.meta.url));
    const python = process.env.PYTHON ?? join(root, "target/venv/bin/python");
    const said = execFileSync(python, [script, this.#folder], { encoding: "utf8" });
    assert.equal(said.trim(), `${cases.length} judged`);
  }
}

function wsp(words) {
  const { WSP } = process.env;
  const options = { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 };
  if (WSP) return execFileSync(WSP, words, options);
  return execFileSync("cargo", ["run", "--quiet", "--package", "wsp", "--", ...words], options);
}
