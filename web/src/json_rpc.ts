/** JSON-RPC over HTTP, with bounds: of an answer only what JSON-RPC 2.0 allows (anchor/chain/json_rpc.py). */

import { type Json, type Members, parseAnswer } from "./canonical.ts";
import { CANNOT_CHECK, cannotCheck, malformed, Refusal } from "./errors.ts";
import { message, type Message } from "./messages.ts";
import { cut } from "./text.ts";

const MAX_RESPONSE_BYTES = 16 << 20;
const TIMEOUT = 20_000; // milliseconds, for one whole request and answer
const MAX_REASON = 300;

/** The node answered with a JSON-RPC error of its own. */
export class NodeRefusal extends Refusal {
  constructor(
    reason: Message,
    readonly rpcCode: number,
  ) {
    super(CANNOT_CHECK, reason);
  }
}

/**
 * Return the URL of a node that this page may ask: https, or one on this machine.
 *
 * The page's content policy lets nothing else through; a user name in a URL is refused by browsers.
 */
export function parseNodeUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw malformed(message("rpc-url-scheme-unknown"));
  }
  if (url.protocol === "http:" && !["127.0.0.1", "localhost"].includes(url.hostname)) {
    throw malformed(
      message("page-node-url-insecure", { url: url.origin }), message("page-node-url-insecure-hint"),
    );
  }
  if (url.username || url.password) {
    throw malformed(message("page-node-url-with-user", { url: url.origin }));
  }
  return url;
}

// docs/spec/policy.md has the form; browsers and other libraries differ in what they let pass.
const NODE_URL =
  /^https?:\/\/(?:[^\0-\x20\x7f/?#\\@[\]]*@)?(?:\[([0-9a-f:.]+)\]|[^\0-\x20\x7f/?#\\@[\]:]+)(?::([0-9]{1,5}))?(?:[/?#][^\0-\x20\x7f\\]*)?$/i;

/** Tell whether a trust policy may name a node by this URL: HTTP or HTTPS, host and port. */
export function isNodeUrl(text: string): boolean {
  const [whole, address, port] = NODE_URL.exec(text) ?? [];
  return whole !== undefined && (address === undefined || URL.canParse(`http://[${address}]`))
    && (port === undefined || (Number(port) >= 1 && Number(port) <= 65_535));
}

/** Tell whether no two URLs are spellings of one node's (anchor/base/system/urls.py). */
export const areDistinct = (urls: readonly string[]): boolean => new Set(urls.map(spellNode)).size === urls.length;

function spellNode(text: string): string {
  if (!URL.canParse(text)) {
    return text; // whoever opens it says what is wrong
  }
  const { hostname, port, pathname, search } = new URL(text);
  const mapped = /^\[::ffff:(\w+):(\w+)\]$/.exec(hostname);
  const parts = mapped?.slice(1).flatMap((part) => [parseInt(part, 16) >> 8, parseInt(part, 16) & 255]);
  const host = parts?.join(".") ?? hostname.replace(/\.+$/, "");
  // At this machine's own addresses a port is one program, whatever the path.
  if (/^(127(\.\d+){3}|0\.0\.0\.0|(.*\.)?localhost|\[::1?\])$/.test(host)) {
    return `localhost ${port}`;
  }
  let path = pathname;
  try {
    path = decodeURIComponent(path);
  } catch {
    // no letters behind it: it stands for itself
  }
  // At their usual ports a host's http and https are one server.
  return [host, port, path.replace(/\/+/g, "/").replace(/\/$/, ""), search].join(" ");
}

/** One node, asked over HTTP. */
export class Rpc {
  /** What may be shown of where it is: keys stand in paths. */
  readonly name: string;
  private readonly secrets: readonly string[];
  private asked = 0;

  constructor(private readonly url: string) {
    const { origin, pathname, search, searchParams } = parseNodeUrl(url);
    this.name = origin;
    this.secrets = [search.slice(1), ...searchParams.values(), ...pathname.split("/")]
      .filter((part) => part.length >= 6)
      .sort((one, other) => other.length - one.length); // one may be a part of another
  }

  /** Send one request and return its result, undecoded. */
  async call(method: string, params: readonly unknown[] = []): Promise<Json> {
    this.asked += 1;
    const id = this.asked;
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    let data: Uint8Array;
    try {
      const response = await fetch(this.url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(TIMEOUT),
      });
      if (!response.ok) {
        const { status } = response;
        throw cannotCheck(message("node-http-status", { name: this.name, method, status }));
      }
      data = await readBounded(response);
    } catch (error) {
      throw this.describe(method, error);
    }
    return this.readResult(method, id, data);
  }

  private describe(method: string, error: unknown): Refusal {
    if (error instanceof Refusal) {
      return error;
    }
    const { name } = this;
    if (error instanceof RangeError) {
      const reason = message("http-too-long", { limit: MAX_RESPONSE_BYTES });
      return cannotCheck(message("node-answer-refused", { name, method, reason }));
    }
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    const reason = isLate ? message("http-timed-out") : message("page-connection-failed");
    return cannotCheck(message("node-unreachable", { name, reason }));
  }

  private readResult(method: string, id: number, data: Uint8Array): Json {
    const { name } = this;
    let answer: Json;
    try {
      answer = parseAnswer(data, message("page-node-answer"));
    } catch {
      throw cannotCheck(message("node-answer-not-json", { name, method }));
    }
    if (!(answer instanceof Map) || answer.has("result") === answer.has("error")) {
      throw cannotCheck(message("node-answer-result-error", { name, method }));
    }
    // An error may come from somebody who could not read the request, and so not its id.
    const answered = answer.get("id") ?? null;
    if (answered !== id && !(answered === null && answer.has("error"))) {
      throw cannotCheck(message("node-answer-of-other-request", { name, method }));
    }
    if (answer.has("result")) {
      return answer.get("result")!;
    }
    throw this.readError(method, answer.get("error")!);
  }

  private readError(method: string, error: Json): Refusal {
    const { name } = this;
    const code = error instanceof Map ? error.get("code") : undefined;
    if (typeof code !== "number" || Number.isNaN(code)) {
      return cannotCheck(message("node-answer-error-malformed", { name, method }));
    }
    let reason = String((error as Members).get("message") ?? "");
    for (const secret of this.secrets) { // a node may quote the request in its answer
      reason = reason.replaceAll(secret, "(hidden)");
    }
    reason = cut(reason, MAX_REASON);
    return new NodeRefusal(message("node-refused-request", { name, method, reason }), code);
  }
}

/** Read a whole body, up to the bound. */
async function readBounded(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    chunks.push(value);
    size += value.length;
    if (size > MAX_RESPONSE_BYTES) {
      await reader.cancel();
      throw new RangeError("the answer is too long");
    }
  }
  return new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}
