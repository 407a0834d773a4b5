/** The format of bags (`anchor-bag/1`): names and lists of digests (anchor/bag/bag_format.py). */

import { encodeUtf8, type Hex } from "./bytes.ts";
import { malformed, mismatch, unknownVersion } from "./errors.ts";
import { message } from "./messages.ts";
import { cut } from "./text.ts";

const FORMAT = "anchor-bag/1";
/** The format of a bag that is one piece of evidence: its manifest is what was recorded. */
export const EVIDENCE_FORMAT = "anchor-evidence-bag/1";
export const [BAGIT, INFO, MANIFEST, TAG_MANIFEST, SM3_SUMS] =
  ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "sm3sums.txt"] as const;
export const REQUIRED: readonly string[] = [BAGIT, INFO, MANIFEST, TAG_MANIFEST, SM3_SUMS];

export const MAX_FILES = 100_000;
const MAX_NAME_BYTES = 1_024;
export const MAX_LIST_BYTES = 1 << 25;
export const MAX_TOTAL_BYTES = 2 ** 44;

/** The files of a bag, in a ZIP file or a folder; `blob` is null of one that is only to be read. */
export interface BagSource {
  readonly sizes: ReadonlyMap<string, number>;
  blob(name: string): Blob | null;
  read(name: string): AsyncGenerator<Uint8Array>;
}

/** Check the names and sizes of a bag's files, and the names of folders that are listed on their own. */
export function checkNames(sizes: ReadonlyMap<string, number>, folders: readonly string[]): void {
  const names = [...sizes.keys()];
  if (names.length > MAX_FILES) {
    throw malformed(message("bag-files-too-many", { limit: MAX_FILES }));
  }
  if ([...sizes.values()].reduce((total, size) => total + size, 0) > MAX_TOTAL_BYTES) {
    throw malformed(message("bag-too-large", { limit: MAX_TOTAL_BYTES }));
  }
  [...names, ...folders].forEach(checkName);
  const known = new Map<string, string>();
  for (const name of names) {
    const other = known.get(fold(name));
    if (other !== undefined) {
      throw malformed(message("bag-name-double", { name, other }));
    }
    known.set(fold(name), name);
  }
  for (const name of [...names, ...folders.map((folder) => `${folder}/`)]) {
    for (let above = fold(name), slash = above.lastIndexOf("/"); slash > 0; slash = above.lastIndexOf("/")) {
      above = above.slice(0, slash);
      if (known.has(above)) {
        throw malformed(message("bag-name-also-folder", { name: known.get(above)! }));
      }
    }
  }
  for (const name of names) {
    if (name.toLowerCase() === "fetch.txt") {
      throw malformed(message("bag-fetch-file"));
    }
    if (/^(tag)?manifest-[^/]*\.txt$/i.test(name) && !REQUIRED.includes(name)) {
      throw unknownVersion(message("bag-algorithm-unknown", { name }));
    }
  }
}

/** What is equal for names that a file system may take for the same one. */
export const fold = (name: string) => 
  name.toLowerCase().toUpperCase().normalize("NFC");

/** Check that a name is that of one file below the bag's folder on every system. */
export function checkName(name: string): void {
  if (encodeUtf8(name).length > MAX_NAME_BYTES) {
    throw malformed(message("bag-name-too-long", { name: cut(name), limit: MAX_NAME_BYTES }));
  }
  if (/[\\:]|(^|\/)\.{0,2}(\/|$)/.test(name)) {
    throw malformed(message("bag-name-unsafe", { name }));
  }
  if (/[\0-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]/.test(name)) {
    throw malformed(message("bag-name-control", { name }));
  }
  if (name.normalize("NFC") !== name) {
    throw malformed(message("bag-name-not-nfc", { name }));
  }
}

function splitLines(data: Uint8Array, list: string): string[] {
  let lines: string[];
  try {
    lines = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data).split("\n");
  } catch {
    throw malformed(message("bag-list-not-utf8", { list }));
  }
  if (lines.pop() !== "") {
    throw malformed(message("bag-list-unended", { list }));
  }
  return lines;
}

/** Parse the list of digests in a file of the bag. */
export function parseList(data: Uint8Array, list: string): Map<string, Hex> {
  const digests = new Map<string, Hex>();
  for (const [at, line] of splitLines(data, list).entries()) {
    const [, digest, escaped] = /^([0-9a-f]{64})  ([^\r\n]+)$/.exec(line) ?? [];
    if (escaped === undefined || /%(?!25|0D|0A)/.test(escaped)) {
      throw malformed(message("bag-list-line", { list, line: at + 1 }));
    }
    const name = escaped.replace(/%(..)/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
    checkName(name);
    if (digests.has(name)) {
      throw malformed(message("bag-list-twice", { list, name }));
    }
    digests.set(name, digest!);
  }
  return digests;
}

/** Check that a list names exactly these files. */
export function checkListed(listed: ReadonlyMap<string, Hex>, names: ReadonlySet<string>, list: string): void {
  for (const name of listed.keys()) {
    if (!names.has(name)) {
      throw mismatch(message("bag-file-missing", { name, list }));
    }
  }
  for (const name of names) {
    if (!listed.has(name)) {
      throw mismatch(message("bag-file-unlisted", { name, list }));
    }
  }
}

/** Check `bagit.txt`. */
export function checkDeclaration(data: Uint8Array): void {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
  if (text === "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n") {
    return;
  }
  const [, actual = "1.0"] = /^BagIt-Version: ([0-9]{1,4}\.[0-9]{1,4})\n/.exec(text) ?? [];
  throw actual === "1.0"
    ? malformed(message("bag-declaration-invalid"))
    : unknownVersion(message("bag-version-unknown", { actual }));
}

/** Parse `bag-info.txt`, and check that it names one of the two formats. */
export function parseInfo(data: Uint8Array): Map<string, string> {
  const [members, labels] = [new Map<string, string>(), new Set<string>()];
  for (const [at, line] of splitLines(data, INFO).entries()) {
    const [, label, value] = /^([A-Za-z][A-Za-z0-9-]*): ([^\r\n]*)$/.exec(line) ?? [];
    if (label === undefined || labels.has(label.toLowerCase())) {
      throw malformed(message("bag-list-line", { list: INFO, line: at + 1 }));
    }
    members.set(label, value!);
    labels.add(label.toLowerCase());
  }
  const [label, actual] = ["Bag-Format", members.get("Bag-Format")];
  if (actual === undefined) {
    throw malformed(message("bag-format-missing", { label }));
  }
  if (actual !== FORMAT && actual !== EVIDENCE_FORMAT) {
    throw unknownVersion(message("bag-format-unknown", { actual: cut(actual), expected: FORMAT }));
  }
  return members;
}

/** Check the count of bytes and files that `bag-info.txt` states. */
export function checkOxum(info: ReadonlyMap<string, string>, sizes: readonly number[]): void {
  const [label, expected = ""] = ["Payload-Oxum", info.get("Payload-Oxum")];
  const actual = `${sizes.reduce((total, size) => total + size, 0)}.${sizes.length}`;
  if (!/^(0|[1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})$/.test(expected)) {
    throw malformed(message("bag-oxum-invalid", { label }));
  }
  if (expected !== actual) {
    throw mismatch(message("bag-oxum-differs", { expected, actual }));
  }
}
