/**
 * Sentences for people: an id of the catalogues, with the operands that its templates name
 * (anchor/base/messages/message.py).  scripts/_build/build_page.py puts the templates of those that a script uses
 * into a file beside it, which the script hands to `useTemplates`, and build.mjs a number in the place
 * of each id.
 */

import type release from "./release.json";
import type submission from "./submit/texts.json";
import { count, cut, formatTime, quote } from "./text.ts";

export type Language = "en" | "zh";
export type MessageId = keyof typeof release.en | keyof typeof submission.en;
/** A message, or what is the same in every language. */
export type Text = Message | string;
type Operands = { readonly [name: string]: Text | number | bigint };

// A place in a template: {name}, {name!r}, {name:,}, …
const PLACE = /\{(\w+)(?:!(.))?(?::([^}]*))?\}/g;

// The last second of the year 9999 in Beijing, in Unix seconds.
const LAST_IN_BEIJING = 253_402_271_999;

type Templates = { readonly [language in Language]: object };
let templates: Templates;

/** Take the templates of this script's messages. */
export const useTemplates = (given: Templates): void => {
  templates = given;
};

export class Message {
  constructor(
    readonly id: MessageId,
    readonly operands: Operands,
  ) {}

  /** The English text, which errors and documents hold. */
  get text(): string {
    return inLanguage(this, "en");
  }
}

/** Return a message; its id is a literal wherever this is called, which a test of the package reads. */
export const message = (id: MessageId, operands: Operands = {}): Message => new Message(id, operands);

/** Return the message of an id that the package, or the markup, names. */
export const named = (id: string): Message => new Message(id as MessageId, {});

/** Name Unix seconds in UTC; for Chinese readers in Beijing time as well. */
export const moment = (seconds: number): Text =>
  seconds > LAST_IN_BEIJING ? `${formatTime(seconds)} UTC` : message("moment-in-utc", { utc: seconds, beijing: seconds + 28_800 });

/** Return a message's text in a language; other text is the same in each. */
export function inLanguage(text: Text, language: Language): string {
  if (typeof text === "string") {
    return text;
  }
  return (templates[language] as Record<string, string>)[text.id]!.replace(PLACE, (_, name: string, conversion = "", format = "") => {
    const operand = text.operands[name]!;
    return spell(operand instanceof Message ? inLanguage(operand, language) : operand, conversion, format);
  });
}

/** Spell a value in the formats of Python that the templates have; build_page.py refuses others. */
function spell(value: string | number | bigint, conversion: string, format: string): string {
  if (format === ",") {
    return count(Number(value));
  }
  if (format.startsWith("%")) {
    return formatTime(Number(value));
  }
  const text = conversion ? quote(String(value), conversion === "a") : String(value);
  return format ? cut(text, Number(format.slice(1))) : text;
}

/** Return a list as one text. */
export function join(texts: readonly Text[], by: "comma" | "clause" | "semicolon" | "and" = "comma"): Text {
  if (texts.length < 2) {
    return texts[0] ?? "";
  }
  // By halves, so that a long list does not nest deep.
  const half = texts.length >> 1;
  const first = join(texts.slice(0, half), by);
  const rest = join(texts.slice(half), by);
  switch (by) {
    case "comma":
      return message("list-comma", { first, rest });
    case "clause":
      return message("list-clauses", { first, rest });
    case "semicolon":
      return message("list-semicolon", { first, rest });
    case "and":
      return message("list-and", { first, rest });
  }
}

/** Leave out messages that say what an earlier one says. */
export const unique = (texts: readonly Message[]): Message[] =>
  [...new Map(texts.map((text) => [text.text, text])).values()];
