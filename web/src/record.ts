/** Evidence records (`evidence-record/1`): what is written about one piece (anchor/evidence/record.py). */

import { count, encodeUtf8, type Hex, parseHex, quote } from "./bytes.ts";
import { type Json, type Members, parseCanonical } from "./canonical.ts";
import { malformed, unknownVersion } from "./errors.ts";

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
  readonly digests: Digests;
  readonly name: string;
  readonly recordedAt: string;
  /** The log that the record names; null where it names none. */
  readonly log: Hex | null;
  /** The names of members that this release does not know. */
  readonly statements: readonly string[];
}

/** Read a record from its exact text; members that this version does not know are allowed. */
export function parseRecord(text: string): Record {
  const length = encodeUtf8(text).length;
  if (length > MAX_RECORD_BYTES) {
    throw malformed(
      `the record has ${count(length)} bytes; at most ${count(MAX_RECORD_BYTES)} are allowed`,
    );
  }
  const value = parseCanonical(text, "the record");
  if (!(value instanceof Map)) {
    throw malformed("the record is not a JSON object");
  }
  if (!value.has("schema")) {
    throw malformed("the record has no member 'schema'");
  }
  const schema = value.get("schema");
  if (schema !== SCHEMA) {
    throw unknownVersion(`the record's schema is ${quote(String(schema))}, not '${SCHEMA}'`);
  }
  for (const member of REQUIRED) {
    if (!value.has(member)) {
      throw malformed(`the record has no member '${member}'`);
    }
  }
  for (const member of OPTIONAL) {
    if (value.get(member) === null) {
      throw malformed(`the record's ${member} is null; what is unknown is left out`);
    }
  }
  checkMemberNames(value);
  if (typeof (value.get("media_type") ?? "") !== "string") {
    throw malformed("the record's media_type is not a string");
  }
  const digests = parseDigests(value);
  const record = {
    digests,
    name: parseName(value.get("name")!),
    salt: parseHexMember(value.get("salt")!, "salt"),
    recordedAt: parseTime(value.get("recorded_at")!),
    log: value.has("log") ? parseHexMember(value.get("log")!, "log", true) : null,
    statements: [...value.keys()].filter((name) => ![...REQUIRED, ...OPTIONAL].includes(name)),
  };
  if (!digests.sha256 && !digests.sm3) { // last: what breaks the form is malformed, whatever it is about
    const names = [...(value.get("digests") as Members).keys()].sort().join(", ").slice(0, 80);
    throw unknownVersion(`the record holds only digests of unknown algorithms: ${names}`);
  }
  return record;
}

function parseDigests(value: Members): Digests {
  const digests = value.get("digests");
  if (!(digests instanceof Map) || digests.size === 0) {
    throw malformed("the record's digests are not a non-empty object");
  }
  const [sha256, sm3] = ["sha256", "sm3"].map((name) =>
    digests.has(name) ? parseHexMember(digests.get(name)!, `digests.${name}`) : null,
  );
  const size = value.get("size") ?? null;
  if (size !== null && (typeof size !== "number" || size < 0)) {
    throw malformed("the record's size is not a count of bytes");
  }
  return { sha256: sha256!, sm3: sm3!, size };
}

function parseName(name: Json): string {
  if (typeof name !== "string" || name === "" || [...name].length > MAX_NAME_CHARACTERS) {
    throw malformed(`the record's name is not 1 to ${MAX_NAME_CHARACTERS} characters`);
  }
  return name;
}

function parseHexMember(value: Json, member: string, prefix = false): Hex {
  if (typeof value !== "string") {
    throw malformed(`the record's ${member} is not a string`);
  }
  return parseHex(value, 32, `the record's ${member}`, prefix);
}

function parseTime(value: Json): string {
  const date = typeof value === "string" ? TIME.exec(value)?.[1] : undefined;
  if (date === undefined) {
    throw malformed("the record's recorded_at is not an RFC 3339 time in UTC (…Z)");
  }
  // A day that the month has not, such as February 30, would come back as another one.
  const day = new Date(`${date}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date) || date < "0001") {
    throw malformed("the record's recorded_at is no date");
  }
  return value as string;
}

function checkMemberNames(value: Json): void {
  if (value instanceof Map) {
    for (const [name, member] of value) {
      if (!/^[\x21-\x7e]+$/.test(name)) {
        throw malformed(`the record's member name ${quote(name)} is not of printable ASCII without spaces`);
      }
      checkMemberNames(member);
    }
  } else if (Array.isArray(value)) {
    value.forEach(checkMemberNames);
  }
}
