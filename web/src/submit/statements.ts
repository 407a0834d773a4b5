/** What is typed on the page: what is stated of the evidence, and texts that become files. */

import { encodeUtf8 } from "../bytes.ts";
import { type Message, message } from "../messages.ts";
import { isStatementText, MAX_CHARACTERS } from "../statement_text.ts";
import type { Groups } from "./entry.ts";

/** The fields of one line each, those of several, and those of a time in the zone of this device. */
export const LINE_FIELDS = ["origin", "generation", "place", "method"] as const;
export const LIST_FIELDS = ["storage", "collectors", "witnesses"] as const;
export const TIME_FIELDS = ["started", "ended"] as const;

type Field = "kind" | (typeof LINE_FIELDS | typeof LIST_FIELDS | typeof TIME_FIELDS)[number];

/** What is stated, by field; empty where nothing is. */
export type Stated = Readonly<Record<Field, string>>;

const MAX_LINES = 20;
const MAX_TITLE_CHARACTERS = 200;
// A day and a time of a year that is neither a slip nor more than a record can hold.
const LOCAL_TIME = /^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?$/;
const UTC_TIME = /^\d{4}-/;
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
  const [started, ended] = [readTime(stated.started), readTime(stated.ended)];
  for (const [field, time] of [["started", started], ["ended", ended]] as const) {
    if (time === null) {
      faults.set(field, message("submit-time-invalid"));
    }
  }
  if (started && ended && Date.parse(ended) < Date.parse(started)) {
    faults.set("ended", message("group-collection-ends-before-start"));
  }
  if (faults.size > 0) {
    return faults;
  }
  const storage = readLines(stated.storage);
  const [operators, witnesses] = [readPeople(stated.collectors), readPeople(stated.witnesses)];
  const source = {
    ...given({ origin: stated.origin, generation_mechanism: stated.generation }),
    ...(storage.length > 0 ? { storage_history: storage } : {}),
  };
  const collection = {
    ...given({ started_at: started!, ended_at: ended!, place: stated.place, method: stated.method }),
    ...(operators.length > 0 ? { operators } : {}),
    ...(witnesses.length > 0 ? { witnesses } : {}),
  };
  return {
    ...given({ kind: stated.kind }),
    ...(Object.keys(source).length > 0 ? { source } : {}),
    ...(Object.keys(collection).length > 0 ? { collection } : {}),
  };
}

const readLines = (text: string): string[] => text.split(/\r\n?|\n/).map((line) => line.trim()).filter((line) => line);

const readPeople = (text: string): { readonly name: string }[] => readLines(text).map((name) => ({ name }));

/** Return a local time in UTC (RFC 3339), empty if none is given; null if it is no time. */
const readTime = (text: string): string | null => {
  if (text === "") {
    return "";
  }
  const time = LOCAL_TIME.test(text) ? new Date(text) : null;
  if (time === null || Number.isNaN(time.valueOf()) || !UTC_TIME.test(time.toISOString())) {
    return null;
  }
  return time.toISOString().replace(/\.000Z$/, "Z");
};

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
