/**
 * Strict JSON in, canonical JSON out (RFC 8785; anchor/base/canonical.py).
 *
 * Refused is whatever two readers could understand differently: a name twice, floats, integers
 * outside ±(2^53 - 1), lone surrogates, and more bytes or levels than the bounds.
 */

import { malformed } from "./errors.ts";
import { message, type Message } from "./messages.ts";
import { cut } from "./text.ts";

export type Json = null | boolean | number | string | Json[] | Members;
export type Members = Map<string, Json>;

const MAX_DEPTH = 16;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const BLANKS = /[ \t\n\r]*/y;
const LONE_SURROGATE = /\p{Surrogate}/u;
const WORDS: readonly [string, Json][] = [["null", null], ["true", true], ["false", false]];

/** Read one JSON document of at most `maxBytes` of UTF-8. */
export function parseStrict(data: Uint8Array, subject: Message, limit: number): Json {
  if (data.length > limit) {
    throw malformed(message("document-too-long", { subject, limit }));
  }
  return new Reader(decodeUtf8(data, subject), subject, false).readDocument();
}

/**
 * Read a node's answer: as strictly, but for numbers.  What is no integer comes back as NaN, because
 * nothing in an answer that is used is one.
 */
export function parseAnswer(data: Uint8Array, subject: Message): Json {
  return new Reader(decodeUtf8(data, subject), subject, true).readDocument();
}

/** Read a document that must already be in its own canonical form, byte for byte. */
export function parseCanonical(text: string, subject: Message): Json {
  const value = new Reader(text, subject, false).readDocument();
  if (encodeCanonical(value) !== text) {
    throw malformed(message("json-not-canonical", { subject }));
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

export function decodeUtf8(data: Uint8Array, subject: Message): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw malformed(message("page-document-not-utf8", { subject }));
  }
}

class Reader {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly subject: Message,
    private readonly anyNumber: boolean,
  ) {}

  readDocument(): Json {
    const value = this.readValue(0);
    if (this.at !== this.text.length) {
      throw this.refuse(message("json-fault-extra"));
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
        throw malformed(message("json-too-deep", { subject: this.subject, limit: MAX_DEPTH }));
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
        this.expect(",", message("json-fault-comma"));
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
        this.expect(",", message("json-fault-comma"));
        this.match(BLANKS);
      }
      const name = this.readString();
      this.match(BLANKS);
      this.expect(":", message("json-fault-colon"));
      if (members.has(name)) {
        throw malformed(message("json-member-duplicate", { subject: this.subject, name: cut(name) }));
      }
      members.set(name, this.readValue(depth));
    }
    return members;
  }

  private readString(): string {
    const start = this.at;
    this.expect('"', message("json-fault-name"));
    while (this.at < this.text.length && this.text[this.at] !== '"') {
      this.at += this.text[this.at] === "\\" ? 2 : 1;
    }
    const written = this.text.slice(start, this.at + 1);
    if (!this.takes('"')) {
      throw this.refuse(message("json-fault-string-open"), start);
    }
    let text: string;
    try {
      text = JSON.parse(written) as string;
    } catch {
      const control = written.search(/[\x00-\x1f]/);
      throw control < 0
        ? this.refuse(message("json-fault-escape"), start)
        : this.refuse(message("json-fault-control-character"), start + control);
    }
    if (LONE_SURROGATE.test(text)) {
      throw malformed(message("json-lone-surrogate", { subject: this.subject }));
    }
    return text;
  }

  private readNumber(): number {
    const { subject } = this;
    const literal = this.match(NUMBER);
    if (literal === "") {
      throw this.refuse(message("json-fault-value"));
    }
    const isInteger = /^-?[0-9]+$/.test(literal);
    if (this.anyNumber) {
      return isInteger ? Number(literal) : NaN;
    }
    if (!isInteger) {
      const short = cut(literal, 32);
      throw malformed(message("json-number-not-integer", { subject, literal: short }));
    }
    if (literal === "-0") {
      throw malformed(message("json-negative-zero", { subject }));
    }
    if (literal.length > 17 || !Number.isSafeInteger(Number(literal))) {
      throw malformed(message("json-integer-out-of-range", { subject }));
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

  private expect(mark: string, reason: Message): void {
    if (!this.takes(mark)) {
      throw this.refuse(reason);
    }
  }

  private refuse(reason: Message, at = this.at) {
    const before = this.text.slice(0, at).split("\n");
    const [line, column] = [before.length, before.at(-1)!.length + 1];
    return malformed(message("document-not-json", { subject: this.subject, reason, line, column }));
  }
}
