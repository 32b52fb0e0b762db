import { callbacks } from "./callbacks.js";
import { Client, type CallOptions, type Options } from "./client.js";
import { pressure } from "./pressure.js";
import type * as p from "./protocol.js";
import { renewal } from "./renewal.js";
import { signs } from "./signs.js";
import { stream, type Stream, type StreamOptions } from "./streams.js";
import { upload } from "./uploads.js";

/** How to connect, and what to serve. */
export interface FullOptions<P extends p.Shape = p.AnyProtocol> extends Options {
  /** Serves what the server asks. */
  handlers?: p.Handlers<P>;
}

/** A client with every part that a protocol may need: streams, uploads, callbacks,
 * renewal; it heeds the signs of its page. */
export class FullClient<P extends p.Shape = p.AnyProtocol> extends Client<P> {
  constructor(url: string, options: FullOptions<P>) {
    const { handlers = {} as p.Handlers<P> } = options;
    const parts = [renewal, pressure, callbacks(handlers), ...(options.with ?? [])];
    super(url, { ...options, with: parts });
    signs(this as Client<any>);
  }

  /** Asks a request that streams: its items, one by one. Leaving the loop cancels it. */
  stream<K extends p.RequestsWith<P, "item">>(
    type: K,
    payload: p.PayloadOf<P, K>,
    options: StreamOptions = {},
  ): Stream<p.ItemOf<P, K>, p.ReplyOf<P, K>> {
    return stream<P, K>(this, type, payload, options);
  }

  /** Asks a request that takes an upload: sends each part when the server reads. */
  upload<K extends p.RequestsWith<P, "part">>(
    type: K,
    payload: p.PayloadOf<P, K>,
    parts: Iterable<p.PartOf<P, K>> | AsyncIterable<p.PartOf<P, K>>,
    options: CallOptions = {},
  ): Promise<p.ReplyOf<P, K>> {
    return upload<P, K>(this, type, payload, parts, options);
  }
}

/** Opens a client with every part. It connects by itself, again and again: look at `state`. */
export function connect<P extends p.Shape = p.AnyProtocol>(
  url: string,
  options: FullOptions<P>,
): FullClient<P> {
  return new FullClient<P>(url, options);
}
