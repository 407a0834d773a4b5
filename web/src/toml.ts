/**
 * As much of TOML 1.0 as a trust policy needs: keys, strings, integers, lists, [tables] and
 * [[lists of tables]].  What else TOML has (dates, floats, dotted keys, inline tables, strings of
 * several lines with quotation marks or backslashes) is refused with its line: this page would
 * rather not read than misread.
 */

import { malformed } from "./errors.ts";
import { message, type Message } from "./messages.ts";

export type Toml = string | number | boolean | Toml[] | Table;
export type Table = Map<string, Toml>;

const BLANKS = /[ \t]*/y;
const GAPS = /(?:[ \t\r\n]|#[^\n]*)*/y;
const END = /[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y;
const KEY = /[A-Za-z0-9_-]+/y;
const HEADING = /(\[\[?)[ \t]*([A-Za-z0-9_-]+(?:[ \t]*\.[ \t]*[A-Za-z0-9_-]+)*)[ \t]*(\]\]?)/y;
const LITERAL = /'[^'\n\r]*'/y;
const BASIC = /"(?:[^"\\\n\r]|\\["\\bfnrt]|\\u[0-9a-fA-F]{4})*"/y;
// Of several lines, such as a certificate; a line end right after the opening is not part of it.
const LONG = /"""(?:\r?\n)?([^"\\]*)"""(?!")|'''(?:\r?\n)?([^']*)'''(?!')/y;
const BARE = /[+-]?[A-Za-z0-9_]+(?=[ \t\r\n,\]#]|$)/y;
const INTEGER = /^(?:[+-]?(?:0|[1-9](?:_?[0-9])*)|0x[0-9a-fA-F](?:_?[0-9a-fA-F])*)$/;

/** Read a document. */
export function parseToml(text: string): Table {
  // Beside tabs and line ends no control character may stand anywhere.
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/.test(text)) {
    const reason = message("page-toml-control-character");
    throw malformed(message("policy-not-toml", { reason }));
  }
  return new Reader(text).readDocument();
}

class Reader {
  private at = 0;
  private readonly root: Table = new Map();
  private readonly opened = new Set<Table>();
  // Lists of tables, which alone may be added to; what is a list in a value may not.
  private readonly growing = new Set<Toml[]>();

  constructor(private readonly text: string) {}

  readDocument(): Table {
    let table = this.root;
    for (this.match(GAPS); this.at < this.text.length; this.match(GAPS)) {
      if (this.text[this.at] === "[") {
        table = this.readHeading();
      } else {
        this.readPair(table);
      }
      if (this.match(END) === null) {
        throw this.refuse(message("page-toml-line-goes-on"));
      }
    }
    return this.root;
  }

  private readPair(table: Table): void {
    const key = this.match(KEY)?.[0];
    this.match(BLANKS);
    if (key === undefined || this.text[this.at] !== "=") {
      throw this.refuse(message("page-toml-key"));
    }
    if (table.has(key)) {
      throw this.refuse(message("page-toml-name-twice", { name: key }));
    }
    this.at += 1;
    this.match(BLANKS);
    table.set(key, this.readValue(0));
  }

  /** Open the table that a heading names, and return it. */
  private readHeading(): Table {
    const [, opening, names, closing] = this.match(HEADING) ?? [];
    if (opening === undefined || names === undefined || closing?.length !== opening.length) {
      throw this.refuse(message("page-toml-heading"));
    }
    const parts = names.split(".").map((name) => name.trim());
    const last = parts.pop()!;
    const above = parts.reduce((table, name) => this.enter(table, name), this.root);
    const there = above.get(last);
    const table: Table = new Map();
    if (opening === "[[") {
      const list: Toml[] = there === undefined ? [] : (there as Toml[]);
      if (there === undefined) {
        this.growing.add(list);
        above.set(last, list);
      } else if (!this.growing.has(list)) {
        throw this.refuse(message("page-toml-name-twice", { name: last }));
      }
      list.push(table);
      return table;
    }
    if (there !== undefined && (!(there instanceof Map) || this.opened.has(there))) {
      throw this.refuse(message("page-toml-name-twice", { name: last }));
    }
    const found = there ?? table;
    this.opened.add(found);
    above.set(last, found);
    return found;
  }

  /** Return the table within `table` of that name: of a list of tables, its last. */
  private enter(table: Table, name: string): Table {
    const there = table.get(name) ?? new Map<string, Toml>();
    table.set(name, there);
    const last = Array.isArray(there) && this.growing.has(there) ? there.at(-1)! : there;
    if (!(last instanceof Map)) {
      throw this.refuse(message("page-toml-no-table", { name }));
    }
    return last;
  }

  private readValue(depth: number): Toml {
    if (this.text[this.at] === "[") {
      return this.readList(depth + 1);
    }
    const long = this.match(LONG);
    if (long !== null) {
      return (long[1] ?? long[2] ?? "").replaceAll("\r\n", "\n");
    }
    const literal = this.match(LITERAL)?.[0];
    if (literal !== undefined && literal !== "''") {
      return literal.slice(1, -1);
    }
    const basic = literal ?? this.match(BASIC)?.[0];
    if (basic !== undefined && /['"]/.test(this.text[this.at] ?? "")) {
      throw this.refuse(message("page-toml-long-string"));
    }
    if (basic !== undefined) {
      const text = literal === undefined ? (JSON.parse(basic.replaceAll("\t", "\\t")) as string) : "";
      if (/\p{Surrogate}/u.test(text)) {
        throw this.refuse(message("page-toml-half-character"));
      }
      return text;
    }
    const bare = this.match(BARE)?.[0] ?? "";
    if (bare === "true" || bare === "false") {
      return bare === "true";
    }
    const value = Number(bare.replaceAll("_", ""));
    if (!INTEGER.test(bare)) {
      throw this.refuse(message("page-toml-value"));
    }
    return value;
  }

  private readList(depth: number): Toml[] {
    const items: Toml[] = [];
    if (depth > 8) {
      throw this.refuse(message("page-toml-list-too-deep"));
    }
    this.at += 1;
    for (this.match(GAPS); this.text[this.at] !== "]"; this.match(GAPS)) {
      items.push(this.readValue(depth));
      this.match(GAPS);
      if (this.text[this.at] === ",") {
        this.at += 1;
      } else if (this.text[this.at] !== "]") {
        throw this.refuse(message("page-toml-list"));
      }
    }
    this.at += 1;
    return items;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    this.at += found?.[0].length ?? 0;
    return found;
  }

  private refuse(reason: Message) {
    const line = this.text.slice(0, this.at).split("\n").length;
    return malformed(message("page-toml-line", { line, reason }), message("page-toml-hint"));
  }
}
