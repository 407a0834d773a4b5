/** Evidence records (`evidence-record/1`): what is written about one piece (anchor/evidence/record.py). */

import { encodeUtf8, type Hex, parseHex } from "./bytes.ts";
import { type Json, type Members, parseCanonical } from "./canonical.ts";
import { malformed, unknownVersion } from "./errors.ts";
import { message } from "./messages.ts";
import { NOT_BEFORE, type NotBefore, parseNotBefore } from "./not_before.ts";
import { numberRecord } from "./preservation_number.ts";
import { cut } from "./text.ts";

const SCHEMA = "evidence-record/1";
export const MAX_RECORD_BYTES = 65_535;
const MAX_NAME_CHARACTERS = 4_096;
const REQUIRED = ["schema", "digests", "name", "salt", "recorded_at"];
const OPTIONAL = ["size", "media_type", "log"];
const TIME = /^(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z$/;

/** The digests of one piece of evidence and its size; what is not known is null, never invented. */
export interface Digests {
  readonly sha256: Hex | null;
  readonly sm3: Hex | null;
  readonly size: number | null;
}

/** One parsed record; `recordedAt` is the operator's own clock: a claim, not a proof. */
export interface Record {
  /** The preservation number. */
  readonly number: string;
  readonly digests: Digests;
  readonly name: string;
  readonly recordedAt: string;
  /** The log that the record names; null where it names none. */
  readonly log: Hex | null;
  /** The block that the record names; null where it names none in the known form. */
  readonly notBefore: NotBefore | null;
  /** The names of members that this release does not know. */
  readonly statements: readonly string[];
  /** All members. */
  readonly members: Members;
}

/** Read a record from its exact text; members that this version does not know are allowed. */
export function parseRecord(text: string): Record {
  const subject = message("evidence-record");
  const size = encodeUtf8(text).length;
  if (size > MAX_RECORD_BYTES) {
    throw malformed(message("document-too-long", { subject, limit: MAX_RECORD_BYTES }));
  }
  const value = parseCanonical(text, subject);
  if (!(value instanceof Map)) {
    throw malformed(message("record-not-object"));
  }
  const schema = value.get("schema");
  if (schema !== undefined && schema !== SCHEMA) {
    const stated = cut(String(schema));
    throw unknownVersion(message("record-schema-unknown", { stated, expected: SCHEMA }));
  }
  for (const member of REQUIRED) {
    if (!value.has(member)) {
      throw malformed(message("record-member-missing", { member }));
    }
  }
  for (const member of OPTIONAL) {
    if (value.get(member) === null) {
      throw malformed(message("record-member-null", { member }));
    }
  }
  checkMemberNames(value);
  if (typeof (value.get("media_type") ?? "") !== "string") {
    throw malformed(message("record-media-type-not-string"));
  }
  const digests = parseDigests(value);
  const notBefore = parseNotBefore(value.get(NOT_BEFORE));
  const known = [...REQUIRED, ...OPTIONAL, ...(notBefore ? [NOT_BEFORE] : [])];
  const record = {
    number: numberRecord(text),
    digests,
    name: parseName(value.get("name")!),
    salt: parseHexMember(value.get("salt")!, "salt"),
    recordedAt: parseTime(value.get("recorded_at")!),
    log: value.has("log") ? parseHexMember(value.get("log")!, "log", true) : null,
    notBefore,
    statements: [...value.keys()].filter((name) => !known.includes(name)),
    members: value,
  };
  if (!digests.sha256 && !digests.sm3) { // last: what breaks the form is malformed, whatever it is about
    const names = [...(value.get("digests") as Members).keys()].sort().join(", ").slice(0, 80);
    throw unknownVersion(message("record-digests-unknown", { names }));
  }
  return record;
}

function parseDigests(value: Members): Digests {
  const digests = value.get("digests");
  if (!(digests instanceof Map) || digests.size === 0) {
    throw malformed(message("record-digests-empty"));
  }
  const [sha256, sm3] = ["sha256", "sm3"].map((name) =>
    digests.has(name) ? parseHexMember(digests.get(name)!, `digests.${name}`) : null,
  );
  const size = value.get("size") ?? null;
  if (size !== null && (typeof size !== "number" || size < 0)) {
    throw malformed(message("record-size-invalid"));
  }
  return { sha256: sha256!, sm3: sm3!, size };
}

function parseName(name: Json): string {
  if (typeof name !== "string" || name === "" || [...name].length > MAX_NAME_CHARACTERS) {
    throw malformed(message("record-name-length", { limit: MAX_NAME_CHARACTERS }));
  }
  return name;
}

function parseHexMember(value: Json, member: string, prefix = false): Hex {
  if (typeof value !== "string") {
    throw malformed(message("record-member-not-string", { member }));
  }
  return parseHex(value, 32, message("record-member", { member }), prefix);
}

function parseTime(value: Json): string {
  if (typeof value !== "string" || !TIME.test(value)) {
    throw malformed(message("record-time-malformed"));
  }
  if (!isTime(value)) {
    throw malformed(message("record-time-no-date"));
  }
  return value;
}

/** Tell whether a value is a time in UTC (RFC 3339). */
export function isTime(value: Json): boolean {
  const date = typeof value === "string" ? TIME.exec(value)?.[1] : undefined;
  if (date === undefined) {
    return false;
  }
  // A day that the month has not, such as February 30, would come back as another one.
  const day = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date) && date >= "0001";
}

function checkMemberNames(value: Json): void {
  if (value instanceof Map) {
    for (const [name, member] of value) {
      if (!/^[\x21-\x7e]+$/.test(name)) {
        throw malformed(message("record-member-name-invalid", { name }));
      }
      checkMemberNames(member);
    }
  } else if (Array.isArray(value)) {
    value.forEach(checkMemberNames);
  }
}
