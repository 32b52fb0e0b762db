import type { Client } from "./client.js";

/**
 * Heeds the signs of a page that a connection may be lost, or may be had again: it sleeps and
 * wakes, is hidden and shown, goes off and on line. Until the client is closed.
 */
export function signs(client: Client<any>): void {
  let stop: AbortController | undefined;
  const hear = ({ type }: Event) => {
    if (type === "visibilitychange" && document.hidden) return;
    if (type !== "offline") return client.reconnect();
    client.inside.at_().probe_();
    client.inside.pump_();
  };
  const watch = () => {
    const isClosed = client.state.name === "closed";
    if (isClosed) stop = stop?.abort() as undefined;
    if (isClosed || stop) return;
    stop = new AbortController();
    // Those of the document pass the window, too.
    const options = { signal: stop.signal, capture: true };
    for (const sign of ["online", "offline", "pageshow", "resume", "visibilitychange"]) {
      globalThis.addEventListener?.(sign, hear, options);
    }
  };
  client.onState(watch);
  watch();
}
