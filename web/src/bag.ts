/** Bags: every file is listed, and every listed file has its digests (anchor/bag/bag_validation.py). */

import {
  BAGIT, type BagSource, checkDeclaration, checkListed, checkOxum, EVIDENCE_FORMAT, INFO, MANIFEST, MAX_LIST_BYTES, parseInfo,
  parseList, REQUIRED, SM3_SUMS, TAG_MANIFEST,
} from "./bag_format.ts";
import { concat, type Hex, sha256 } from "./bytes.ts";
import { hashPieces } from "./digests.ts";
import { malformed, mismatch } from "./errors.ts";
import { message } from "./messages.ts";
import { MAX_RECEIPT_BYTES } from "./receipt.ts";
import type { Digests } from "./record.ts";
import { Sm3 } from "./sm3.ts";

const [PAYLOAD, ORIGINALS, RECEIPTS, SUFFIX] = ["data/", "data/originals/", "receipts/", ".anchor.json"] as const;
const [POLICY, CAPTURES] = ["policy/trust.toml", "captures/"] as const;
// What the receipt of a capture covers, through the capture's manifest.
const COVERED = /^captures\/[^/]+\/(manifest-sha256\.txt$|data\/)/;
const SIGNATURE = /^signatures\/(.+)\.[0-9a-f]{16}\.(sshsig|p7s)$/s;

/** Digests a file in the bag, of that size, that was opened as it can be. */
export type HashOriginal = (source: BagSource, name: string) => Promise<{ sha256: Hex; sm3: Hex; size: number }>;

export interface PackedExhibit {
  readonly original: string;
  readonly receipt: string;
  readonly digests: Digests;
  /** The folders of bags in this bag whose manifest the original is, each with a slash. */
  readonly captures: readonly string[];
}

/** A bag that is complete and unchanged in itself, which proves nothing about its maker. */
export interface ValidBag {
  readonly source: BagSource;
  readonly identifier: Hex;
  readonly party: string | null;
  /** It is one piece of evidence, whose receipt is not in it. */
  readonly isEvidence: boolean;
  readonly tags: ReadonlyMap<string, Hex>;
  readonly payload: ReadonlyMap<string, Digests>;
  readonly exhibits: readonly PackedExhibit[];
}

/** The SHA-256 of the policy in a bag, which is not used; null without one. */
export const policyIn = (bag: ValidBag): Hex | null => bag.tags.get(POLICY) ?? null;

/** How many files of a bag no receipt covers. */
export const enclosuresIn = (bag: ValidBag): number =>
  [...bag.source.sizes.keys()].filter((name) => !COVERED.test(name)).length - 2 * bag.exhibits.length;

/** The signatures of records in a bag, which nothing here judges, each with the command that does. */
export function listSignatures(bag: ValidBag): { readonly name: string; readonly command: string }[] {
  return [...bag.tags.keys()].sort().flatMap((name) => {
    const [, original, form] = SIGNATURE.exec(name) ?? [];
    if (!original) {
      return [];
    }
    const [file, record] = [name, `signatures/${original}.record.json`].map(quoteWord);
    const command = form === "sshsig"
      ? `ssh-keygen -Y verify -f ALLOWED_SIGNERS -I SIGNER -n anchor-evidence-record -s ${file} < ${record}`
      : `openssl cms -verify -cades -binary -inform DER -in ${file} -content ${record} -out /dev/null`
        + " -CAfile ROOTS.pem -no-CApath -no-CAstore -purpose any -auth_level 2";
    return [{ name, command }];
  });
}

/** Quote a word for a shell, as Python's shlex does. */
const quoteWord = (word: string): string => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;

/** Check a bag in the six parts of docs/spec/bag.md; each file is read once, but for its lists. */
export async function checkBag(source: BagSource, hash: HashOriginal = hashOriginal): Promise<ValidBag> {
  const names = [...source.sizes.keys()];
  if (!names.includes(BAGIT)) {
    throw malformed(message("bag-declaration-missing"));
  }
  for (const name of REQUIRED) {
    if (!source.sizes.has(name)) {
      throw mismatch(message("bag-required-missing", { name }));
    }
  }
  const list = (name: string) => readWhole(source, name, MAX_LIST_BYTES);
  checkDeclaration(await list(BAGIT));
  const tagManifest = await list(TAG_MANIFEST);
  const tags = parseList(tagManifest, TAG_MANIFEST);
  const payload = new Set(names.filter((name) => name.startsWith(PAYLOAD)));
  checkListed(tags, new Set(names.filter((name) => !payload.has(name) && name !== TAG_MANIFEST)), TAG_MANIFEST);
  for (const [name, expected] of tags) {
    const { sha256: actual } = await hashPieces(source.read(name), false);
    checkDigest(name, expected, actual, TAG_MANIFEST);
  }
  const info = parseInfo(await list(INFO));
  const isEvidence = info.get("Bag-Format") === EVIDENCE_FORMAT;
  const uncovered = isEvidence ? [...tags.keys()].sort().find((name) => !REQUIRED.includes(name)) : undefined;
  if (uncovered !== undefined) {
    throw mismatch(message("bag-file-uncovered", { name: uncovered }));
  }
  const manifest = parseList(await list(MANIFEST), MANIFEST);
  checkListed(manifest, payload, MANIFEST);
  const sm3Sums = parseList(await list(SM3_SUMS), SM3_SUMS);
  checkListed(sm3Sums, payload, SM3_SUMS);
  const receipts = isEvidence ? new Map<string, string>() : pairReceipts(names, payload);
  const hashed = new Map<string, Digests>();
  for (const name of [...payload].sort()) {
    const digests = await hash(source, name);
    checkDigest(name, manifest.get(name)!, digests.sha256, MANIFEST);
    checkDigest(name, sm3Sums.get(name)!, digests.sm3, SM3_SUMS);
    hashed.set(name, digests);
  }
  const captures = matchCaptures(tags, hashed);
  const exhibits = [...receipts].sort(([one], [other]) => one < other ? -1 : 1).map(([original, receipt]) => {
    const digests = hashed.get(original)!;
    return { original, receipt, digests, captures: captures.get(digests.sha256!) ?? [] };
  });
  checkOxum(info, [...payload].map((name) => source.sizes.get(name)!));
  const party = info.get("Source-Organization") ?? null;
  return { source, identifier: sha256(tagManifest), party, isEvidence, tags, payload: hashed, exhibits };
}

/** Return the folders of captures by the SHA-256 of their manifests, which are originals. */
function matchCaptures(tags: ReadonlyMap<string, Hex>, payload: ReadonlyMap<string, Digests>): Map<Hex, string[]> {
  const originals = new Set([...payload.values()].map(({ sha256 }) => sha256));
  const matched = new Map<Hex, string[]>();
  const inside = [...tags.keys()].filter((name) => name.startsWith(CAPTURES)).sort();
  for (const folder of new Set(inside.map((name) => `${CAPTURES}${name.split("/")[1]!}/`))) {
    const manifest = tags.get(folder + MANIFEST);
    if (manifest === undefined || !originals.has(manifest)) {
      throw mismatch(message("bag-capture-unmatched", { name: folder + MANIFEST }));
    }
    matched.set(manifest, [...matched.get(manifest) ?? [], folder]);
  }
  return matched;
}

/** Return the digests of a bag's manifest, whose bytes are those that were checked. */
export async function digestManifest(bag: ValidBag): Promise<Digests> {
  const data = await readWhole(bag.source, MANIFEST, MAX_LIST_BYTES);
  checkDigest(MANIFEST, bag.tags.get(MANIFEST)!, sha256(data), TAG_MANIFEST);
  return { sha256: sha256(data), sm3: new Sm3().update(data).digest(), size: data.length };
}

/** Return the bytes of a receipt, which are those that were checked. */
export async function readReceipt(bag: ValidBag, name: string): Promise<Uint8Array> {
  const data = await readWhole(bag.source, name, MAX_RECEIPT_BYTES);
  if (data.length <= MAX_RECEIPT_BYTES) {
    checkDigest(name, bag.tags.get(name)!, sha256(data), TAG_MANIFEST);
  }
  return data;
}

const hashOriginal: HashOriginal = async (source, name) => {
  const { sha256, sm3, size } = await hashPieces(source.read(name), true);
  return { sha256, sm3: sm3!, size };
};

function checkDigest(name: string, expected: Hex, actual: Hex, list: string): void {
  if (actual !== expected) {
    throw mismatch(message("bag-digest-differs", { name, list }));
  }
}

/** Return the receipt of each original. */
function pairReceipts(names: readonly string[], payload: ReadonlySet<string>): Map<string, string> {
  const receipts = names.filter((name) => name.startsWith(RECEIPTS));
  if (receipts.length === 0) {
    throw malformed(message("bag-without-receipts"));
  }
  const pairs = new Map<string, string>();
  for (const name of receipts) {
    if (!name.endsWith(SUFFIX)) {
      throw malformed(message("bag-receipt-name", { name }));
    }
    const original = ORIGINALS + name.slice(RECEIPTS.length, -SUFFIX.length);
    if (!payload.has(original)) {
      throw mismatch(message("bag-original-missing", { name, original }));
    }
    pairs.set(original, name);
  }
  for (const name of payload) {
    if (!pairs.has(name)) {
      throw mismatch(message("bag-receipt-missing", { name }));
    }
  }
  return pairs;
}

/** Return the bytes of a file; of one that is longer than `most`, a few more than that. */
async function readWhole(source: BagSource, name: string, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of source.read(name)) {
    pieces.push(piece);
    size += piece.length;
    if (size > most) {
      break;
    }
  }
  if (size > most && most === MAX_LIST_BYTES) {
    throw malformed(message("bag-list-too-long", { list: name, limit: most }));
  }
  return concat(...pieces);
}
