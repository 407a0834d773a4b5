/** What is typed on the page: what is stated of the evidence, and texts that become files. */

import { encodeUtf8 } from "../bytes.ts";
import { type Message, message } from "../messages.ts";
import { isStatementText, MAX_CHARACTERS } from "../statement_text.ts";
import type { Groups } from "./entry.ts";

/** The fields of one line each, and those of several. */
export const LINE_FIELDS = ["origin", "generation", "place", "method"] as const;
export const LIST_FIELDS = ["storage", "witnesses"] as const;

/** What is stated, by field; empty where nothing is. */
export type Stated = Readonly<Record<"kind" | (typeof LINE_FIELDS)[number] | (typeof LIST_FIELDS)[number], string>>;

const MAX_LINES = 20;
const MAX_TITLE_CHARACTERS = 200;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Return the groups of a record, or what is wrong by field. */
export function readGroups(stated: Stated): Groups | Map<string, Message> {
  const faults = new Map<string, Message>();
  for (const field of LINE_FIELDS) {
    if (stated[field].trim() !== "" && !isStatementText(stated[field])) {
      faults.set(field, message("submit-statement-invalid", { limit: MAX_CHARACTERS }));
    }
  }
  for (const field of LIST_FIELDS) {
    const lines = readLines(stated[field]);
    if (lines.length > MAX_LINES || !lines.every(isStatementText)) {
      faults.set(field, message("submit-lines-invalid", { count: MAX_LINES, limit: MAX_CHARACTERS }));
    }
  }
  if (faults.size > 0) {
    return faults;
  }
  const storage = readLines(stated.storage);
  const witnesses = readLines(stated.witnesses).map((name) => ({ name }));
  const source = {
    ...given({ origin: stated.origin, generation_mechanism: stated.generation }),
    ...(storage.length > 0 ? { storage_history: storage } : {}),
  };
  const collection = {
    ...given({ place: stated.place, method: stated.method }),
    ...(witnesses.length > 0 ? { witnesses } : {}),
  };
  return {
    ...given({ kind: stated.kind }),
    ...(Object.keys(source).length > 0 ? { source } : {}),
    ...(Object.keys(collection).length > 0 ? { collection } : {}),
  };
}

const readLines = (text: string): string[] => text.split(/\r\n?|\n/).map((line) => line.trim()).filter((line) => line);

const given = (texts: { [name: string]: string }): { [name: string]: string } =>
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
