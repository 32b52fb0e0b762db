// Asks the server for what it shows, and shows it. All texts of others become text nodes.

const CONNECTIONS_MS = 1000;
const FRAMES_MS = 500;
const FRAMES = 500;

const at = (id) => document.getElementById(id);
/** This page among those that look; a URL that holds a token is passed on as it is. */
const look = [...crypto.getRandomValues(new Uint8Array(12))]
  .map((byte) => byte.toString(16).padStart(2, "0"))
  .join("");
const own = location.search.slice(1);

const rows = new Map();
let chosen = null;
let seen = { run: null, last: 0 };
let marked = null;
let dropped = 0;

/** An element of a kind, with a class and children. */
function make(kind, name, ...children) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  element.append(...children);
  return element;
}

/** Answers of the server as objects; what it says instead is an error with a sentence. */
async function ask(wanted) {
  const pairs = Object.entries({ ...wanted, look }).filter(([, value]) => value !== null);
  const query = pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  const answer = await fetch(`${location.pathname}?${query}${own && `&${own}`}`, {
    cache: "no-store",
    credentials: "same-origin",
  });
  if (answer.ok) return answer.json();
  throw Object.assign(new Error((await answer.text()).trim()), { status: answer.status });
}

/** Runs again and again, each time after the one before, and not while nobody sees the page. */
async function again(every, work) {
  for (;;) {
    if (!document.hidden) await work();
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

function trouble(error) {
  const text = error && (error.status ? error.message : "The server does not answer.");
  at("trouble").hidden = !error;
  at("trouble").textContent = text ? `${text} What you see is old.` : "";
  if (error) at("dot").className = "dot bad";
}

const number = (value) => value.toLocaleString("en-GB");

function bytes(value) {
  if (value < 1000) return `${Math.round(value)} B`;
  const unit = value < 999_500 ? ["kB", 1e3] : ["MB", 1e6];
  return `${(value / unit[1]).toPrecision(3)} ${unit[0]}`;
}

function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

const count = (n, one) => `${number(n)} ${one}${n === 1 ? "" : "s"}`;

/** What one connection says, cell by cell: a large text, a small one, a class. */
function cells(it, now) {
  const way = ({ messages_per_s: messages, bytes_per_s: size, ...total }) =>
    messages === null
      ? ["–", bytes(total.bytes), "zero"]
      : [`${number(messages)}/s`, `${bytes(size)}/s`, messages ? "" : "zero"];
  const kept = it.kept_for_ms === null ? "" : `lost, waits for ${span(it.kept_for_ms)}`;
  const comebacks = it.reconnects ? count(it.reconnects, "reconnect") : "";
  const { queued, unacknowledged: sent } = it;
  const spoken = [it.version && `v${it.version}`, it.format].filter(Boolean).join(" · ");
  return [
    [it.principal ?? "(arriving)", `#${it.id}${it.remote ? ` · ${it.remote}` : ""}`, ""],
    [it.client ?? "–", spoken, ""],
    [span(now - it.since_ms), kept || comebacks, kept ? "warn" : ""],
    way(it.in),
    way(it.out),
    queued ? depth(queued, bytes(queued.bytes), "") : ["–"],
    sent ? depth(sent, sent.messages && span(sent.oldest_ms), late(sent.oldest_ms)) : ["–"],
    [number(it.behind), count(it.channels, "channel"), it.behind ? "warn" : "zero"],
    work(it),
    it.round_trip_ms == null ? ["–", "", "zero"] : [span(it.round_trip_ms), "", ""],
  ];
}

const depth = ({ messages: n }, small, name) => [number(n), n ? small : "", n ? name : "zero"];
const late = (ms) => (ms > 5000 ? "warn" : "");

function work({ requests, calls }) {
  if (requests === undefined) return ["–"];
  return [number(requests), calls ? count(calls, "call") : "", requests + calls ? "" : "zero"];
}

function drawConnections(answer) {
  const { server, connections } = answer;
  at("protocol").textContent = `${server.protocol} v${server.version}`;
  at("node").textContent = server.node;
  at("dot").className = server.is_draining ? "dot bad" : "dot good";
  document.title = `${server.protocol} · ${server.connections}`;
  const facts = {
    connections: `${number(server.connections)} of ${number(server.max_connections)}`,
    "may come back": number(server.without_connection),
    "looked at by": number(server.lookers),
    ...(server.is_draining && { state: "draining" }),
  };
  at("server").replaceChildren(
    ...Object.entries(facts).map(([name, value]) =>
      make("div", "", make("dt", "", name), make("dd", "", value)),
    ),
  );
  const gone = new Set(rows.keys());
  const body = at("rows");
  connections.forEach((it, place) => {
    gone.delete(it.id);
    const row = rows.get(it.id) ?? newRow(it.id);
    row.className = `${it.state}${it.id === chosen ? " chosen" : ""}`;
    cells(it, answer.at_ms).forEach(([large, small, name], column) => {
      const cell = row.cells[column];
      cell.className = name ?? "";
      cell.firstChild.textContent = large;
      cell.lastChild.textContent = small ?? "";
    });
    if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
  });
  for (const id of gone) {
    rows.get(id).remove();
    rows.delete(id);
  }
  at("none").hidden = connections.length > 0;
  at("none").textContent = answer.known ? "Nobody is found." : "Nobody is connected.";
  const left = answer.found - connections.length;
  at("more").hidden = left === 0;
  at("more").textContent = `${number(left)} more are not shown: find or sort them.`;
}

function newRow(id) {
  const row = make("tr");
  for (let column = 0; column < 10; column += 1) {
    const large = make(column ? "span" : "b", "");
    row.append(make("td", "", large, make("small", "")));
  }
  row.tabIndex = 0;
  row.dataset.id = id;
  row.addEventListener("click", () => choose(id));
  row.addEventListener("keydown", ({ key }) => key === "Enter" && choose(id));
  rows.set(id, row);
  return row;
}

function choose(id) {
  if (id === chosen) return;
  chosen = id;
  seen = { run: null, last: 0 };
  at("frames").replaceChildren();
  at("channels").replaceChildren();
  drop(0);
  at("facts").textContent = "";
  at("who").textContent = id === null ? "" : rows.get(id)?.cells[0].firstChild.textContent;
  at("one").hidden = id === null;
  for (const [other, row] of rows) row.classList.toggle("chosen", other === id);
  if (id !== null) void tail();
}

async function tail() {
  const of = chosen;
  if (of === null || at("pause").checked) return;
  let answer;
  try {
    answer = await ask({ show: "frames", of, run: seen.run, after: seen.last });
  } catch (error) {
    if (chosen === of) at("facts").textContent = error.message;
    return;
  }
  // Another was chosen, or another answer came first.
  if (chosen !== of || (answer.run === seen.run && answer.last < seen.last)) return;
  const isFirst = seen.run === null;
  seen = { run: answer.run, last: answer.last };
  at("facts").textContent = `#${of}${answer.is_over ? " · over" : ""}`;
  if (!isFirst && answer.dropped) drop(dropped + answer.dropped);
  at("channels").replaceChildren(
    ...answer.channels.map((it) => {
      const text = it.behind ? `${it.address} · ${number(it.behind)} behind` : it.address;
      return make("li", it.behind ? "warn" : "", text);
    }),
  );
  drawFrames(answer.frames);
}

function drop(frames) {
  dropped = frames;
  at("dropped").textContent = frames ? `${count(frames, "frame")} dropped: too many at once` : "";
}

function drawFrames(frames) {
  const list = at("frames");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(...frames.map(frame));
  while (list.children.length > FRAMES) list.firstChild.remove();
  if (isAtEnd && frames.length) list.scrollTop = list.scrollHeight;
}

function frame(it) {
  const item = make("li");
  item.dataset.n = it.n;
  if (it.note) {
    item.append(make("div", "note", it.note));
    return item;
  }
  const kind = it.type ?? "(no frame of the protocol)";
  const isControl = kind.startsWith("$");
  const isFailed = kind === "$err" || kind.endsWith(".err");
  const names = [it.from, isControl && "control", isFailed && "failed"];
  item.className = names.filter(Boolean).join(" ");
  item.dataset.kind = kind;
  const name = make("span", "kind", make("b", "", kind));
  if (it.ch) name.append(" ", make("i", "", it.ch));
  if (it.payload && it.payload !== "{}") name.append(" ", make("span", "", it.payload.slice(0, 200)));
  const summary = make(
    "summary",
    "",
    make("time", "", clock(it.at_ms)),
    make("span", "arrow", it.from === "client" ? "→" : "←"),
    name,
    it.answers ? answers(it.answers) : make("span", ""),
    make("span", "size", bytes(it.bytes)),
  );
  const facts = ["seq", "ack", "off", "id", "re"].filter((fact) => it[fact] !== undefined);
  const list = make("dl", "", ...facts.map((fact) => pair(fact, it[fact])));
  item.append(make("details", "", summary, list, make("pre", "", payload(it))));
  sift(item);
  return item;
}

const pair = (name, value) => make("div", "", make("dt", "", name), make("dd", "", String(value)));

function answers({ n, type, after_ms: ms }) {
  const text = ms < 10 ? `${ms} ms` : span(ms);
  const button = make("button", "answers", text);
  button.title = `answers ${type}`;
  button.type = "button";
  button.addEventListener("click", (event) => {
    event.preventDefault();
    marked?.classList.remove("found");
    marked = at("frames").querySelector(`[data-n="${n}"]`);
    marked?.classList.add("found");
    marked?.scrollIntoView({ block: "nearest" });
  });
  return button;
}

function payload({ payload: text, cut, bytes: size }) {
  if (text === undefined) return cut ? `${bytes(size)}: too long to be shown` : bytes(size);
  if (cut) return `${text} … (cut)`;
  return JSON.stringify(JSON.parse(text), null, 2);
}

function clock(ms) {
  const time = new Date(ms);
  const two = (value) => String(value).padStart(2, "0");
  const seconds = `${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
  return `${two(time.getHours())}:${two(time.getMinutes())}:${seconds}`;
}

/** Shows a frame, or not. */
function sift(item) {
  const kind = item.dataset.kind;
  if (kind === undefined) return;
  const wanted = kind.includes(at("filter").value.trim());
  item.classList.toggle("out", !wanted || (kind.startsWith("$") && !at("control").checked));
}

for (const id of ["filter", "control"]) {
  at(id).addEventListener("input", () => [...at("frames").children].forEach(sift));
}
at("clear").addEventListener("click", () => {
  at("frames").replaceChildren();
  drop(0);
});
at("leave").addEventListener("click", () => choose(null));

async function list() {
  const wanted = { show: "connections", sort: at("sort").value, find: at("find").value };
  try {
    drawConnections(await ask(wanted));
    trouble(null);
  } catch (error) {
    trouble(error);
  }
}
for (const id of ["find", "sort"]) at(id).addEventListener("input", () => void list());

void again(CONNECTIONS_MS, list);
void again(FRAMES_MS, tail);
