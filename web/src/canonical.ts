/**
 * Strict JSON in, canonical JSON out (RFC 8785; anchor/canonical.py).
 *
 * Refused is whatever two readers could understand differently: a name twice, floats, integers
 * outside ±(2^53 - 1), lone surrogates, and more bytes or levels than the bounds.
 */

import { count, quote } from "./bytes.ts";
import { malformed } from "./errors.ts";

export type Json = null | boolean | number | string | Json[] | Members;
export type Members = Map<string, Json>;

const MAX_DEPTH = 16;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const BLANKS = /[ \t\n\r]*/y;
const LONE_SURROGATE = /\p{Surrogate}/u;
const WORDS: readonly [string, Json][] = [["null", null], ["true", true], ["false", false]];

/** Read one JSON document of at most `maxBytes` of UTF-8. */
export function parseStrict(data: Uint8Array, what: string, maxBytes: number): Json {
  if (data.length > maxBytes) {
    throw malformed(
      `${what} has ${count(data.length)} bytes; at most ${count(maxBytes)} are allowed`,
    );
  }
  return new Reader(decodeUtf8(data, what), what, false).readDocument();
}

/**
 * Read a node's answer: as strictly, but for numbers.  What is no integer comes back as NaN, because
 * nothing in an answer that is used is one.
 */
export function parseAnswer(data: Uint8Array, what: string): Json {
  return new Reader(decodeUtf8(data, what), what, true).readDocument();
}

/** Read a document that must already be in its own canonical form, byte for byte. */
export function parseCanonical(text: string, what: string): Json {
  const value = new Reader(text, what, false).readDocument();
  if (encodeCanonical(value) !== text) {
    throw malformed(`${what} is not in canonical form (RFC 8785)`);
  }
  return value;
}

/** Write JSON without blanks, names in the order of their UTF-16 code units. */
export function encodeCanonical(value: Json): string {
  if (value instanceof Map) {
    const names = [...value.keys()].sort();
    const pairs = names.map((name) => `${JSON.stringify(name)}:${encodeCanonical(value.get(name)!)}`);
    return `{${pairs.join(",")}}`;
  }
  return Array.isArray(value) ? `[${value.map(encodeCanonical).join(",")}]` : JSON.stringify(value);
}

export function decodeUtf8(data: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw malformed(`${what} is not UTF-8`);
  }
}

class Reader {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly what: string,
    private readonly anyNumber: boolean,
  ) {}

  readDocument(): Json {
    const value = this.readValue(0);
    if (this.at !== this.text.length) {
      throw this.refuse("goes on");
    }
    return value;
  }

  /** Read the value here, and the blanks around it. */
  private readValue(depth: number): Json {
    this.match(BLANKS);
    const value = this.readBare(depth + 1);
    this.match(BLANKS);
    return value;
  }

  private readBare(depth: number): Json {
    const first = this.text[this.at];
    if (first === '"') {
      return this.readString();
    }
    if (first === "{" || first === "[") {
      if (depth > MAX_DEPTH) {
        throw malformed(`${this.what} nests deeper than ${MAX_DEPTH} levels`);
      }
      this.at += 1;
      return first === "{" ? this.readMembers(depth) : this.readItems(depth);
    }
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.readNumber();
  }

  private readItems(depth: number): Json[] {
    const items: Json[] = [];
    this.match(BLANKS);
    while (!this.takes("]")) {
      if (items.length > 0) {
        this.expect(",");
      }
      items.push(this.readValue(depth));
    }
    return items;
  }

  private readMembers(depth: number): Members {
    const members: Members = new Map();
    this.match(BLANKS);
    while (!this.takes("}")) {
      if (members.size > 0) {
        this.expect(",");
        this.match(BLANKS);
      }
      const name = this.readString();
      this.match(BLANKS);
      this.expect(":");
      if (members.has(name)) {
        throw malformed(`${this.what} has the member ${quote(name)} twice`);
      }
      members.set(name, this.readValue(depth));
    }
    return members;
  }

  private readString(): string {
    const start = this.at;
    this.expect('"');
    while (this.at < this.text.length && this.text[this.at] !== '"') {
      this.at += this.text[this.at] === "\\" ? 2 : 1;
    }
    this.expect('"');
    let text: string;
    try {
      text = JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      throw this.refuse("a string");
    }
    if (LONE_SURROGATE.test(text)) {
      throw malformed(`${this.what} holds a lone surrogate, which is not a character`);
    }
    return text;
  }

  private readNumber(): number {
    const literal = this.match(NUMBER);
    if (literal === "") {
      throw this.refuse("a value is missing");
    }
    const isInteger = /^-?[0-9]+$/.test(literal);
    if (this.anyNumber) {
      return isInteger ? Number(literal) : NaN;
    }
    if (!isInteger) {
      throw malformed(`${this.what} holds the number ${literal.slice(0, 32)}; only integers are allowed`);
    }
    if (literal === "-0") {
      throw malformed(`${this.what} holds -0, which is not an integer's canonical spelling`);
    }
    if (literal.length > 17 || !Number.isSafeInteger(Number(literal))) {
      throw malformed(`${this.what} holds an integer outside ±(2^53 - 1)`);
    }
    return Number(literal);
  }

  private match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.at += found.length;
    return found;
  }

  private takes(mark: string): boolean {
    const isHere = this.text[this.at] === mark;
    this.at += isHere ? 1 : 0;
    return isHere;
  }

  private expect(mark: string): void {
    if (!this.takes(mark)) {
      throw this.refuse(`${mark} is missing`);
    }
  }

  private refuse(complaint: string) {
    const before = this.text.slice(0, this.at).split("\n");
    const column = before.at(-1)!.length + 1;
    return malformed(`${this.what} is not JSON: ${complaint} (line ${before.length}, column ${column})`);
  }
}
