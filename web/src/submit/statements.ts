/** What is typed on the page: what is stated of the evidence, and texts that become files. */

import { encodeUtf8 } from "../bytes.ts";
import { type Message, message } from "../messages.ts";
import { isStatementText, MAX_CHARACTERS } from "../statement_text.ts";
import type { Groups } from "./entry.ts";

/** What is stated, by field; empty where nothing is. */
export interface Stated {
  readonly kind: string;
  readonly origin: string;
  readonly place: string;
  readonly method: string;
}

const MAX_TITLE_CHARACTERS = 200;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Return the groups of a record, or what is wrong by field. */
export function readGroups({ kind, origin, place, method }: Stated): Groups | Map<string, Message> {
  const faults = new Map(Object.entries({ origin, place, method })
    .filter(([, text]) => text.trim() !== "" && !isStatementText(text))
    .map(([field]) => [field, message("submit-statement-invalid", { limit: MAX_CHARACTERS })]));
  if (faults.size > 0) {
    return faults;
  }
  const collection = stated({ place, method });
  return {
    ...stated({ kind }),
    ...(origin.trim() ? { source: { origin: origin.trim() } } : {}),
    ...(Object.keys(collection).length > 0 ? { collection } : {}),
  };
}

const stated = (texts: { [name: string]: string }): { [name: string]: string } =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, text.trim()]).filter(([, text]) => text));

/**
 * Return a typed text as the file that it becomes, or what is wrong by field.
 *
 * Its bytes are those that are hashed and that are saved: UTF-8, a line feed after each line.
 */
export function makeTextFile(title: string, text: string): { name: string; bytes: Uint8Array } | Map<string, Message> {
  const faults = new Map<string, Message>();
  if (!isStatementText(title) || [...title].length > MAX_TITLE_CHARACTERS) {
    faults.set("title", message("submit-title-invalid", { limit: MAX_TITLE_CHARACTERS }));
  }
  if (text === "") {
    faults.set("text", message("submit-text-empty"));
  } else if (LONE_SURROGATE.test(text)) {
    faults.set("text", message("submit-text-surrogate"));
  }
  if (faults.size > 0) {
    return faults;
  }
  // Browsers replace these in the name of a file that is saved: the record is to have that name.
  const name = title.trim().replace(/[\\/:*?"<>|~]/g, "_").replace(/^\.|\.$/g, "_");
  return { name: `${name}.txt`, bytes: encodeUtf8(text.replace(/\r\n?/g, "\n")) };
}
