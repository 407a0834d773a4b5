/** Each receipt of a ZIP file with the file that it is of, and what there is beside them. */

import { concat } from "./bytes.ts";
import { hashPieces } from "./digests.ts";
import { isRefusal, SUPERSEDED } from "./errors.ts";
import { join, message, type Message } from "./messages.ts";
import { type Notice, readNotice } from "./notices.ts";
import { MAX_RECEIPT_BYTES, parseReceipt, type Receipt } from "./receipt.ts";
import { type Digests, parseRecord, type Record } from "./record.ts";
import { errorOf, evidenceError, headlineOf, type Report, wordsOf } from "./report.ts";
import { type Archive, type ArchiveFile, isReceiptName, reasonOf, RECEIPT_SUFFIX, type RefusedFile } from "./archive.ts";

// What `anchor pack` and a service's package hold beside originals and receipts (anchor/bag/receipt_package.py).
const PACKAGE_LIST = /^((?:[^/]*\/)?)tagmanifest-sha256\.txt$/;
const PACKAGE_FILES =
  /^(README\.(en|zh)\.md|bagit\.txt|bag-info\.txt|(tag)?manifest-sha256\.txt|sm3sums\.txt|(policy|verify|exhibits|certificate|signatures|statements|timestamps)\/[^/]+)$/;
// The list of files that is the evidence of a capture (docs/spec/bag.md).
const COVERING_LIST = /^((?:[^/]*\/)*)manifest-sha256\.txt$/;
const NOTHING: Digests = { sha256: null, sm3: null, size: null };

/** A receipt of the ZIP, the files that it is of, and what came of it. */
export interface JudgedReceipt<Outcome> {
  readonly receipt: string;
  readonly files: readonly string[];
  /** What is said of one without its file; null with a file, and of a notice. */
  readonly alone: Message | null;
  readonly outcome: Outcome;
}

/** A file that is no receipt's, and what is said of it. */
export interface OtherFile {
  readonly name: string;
  readonly words: Message;
  readonly reason: Message | null;
  /** It is not safe to read. */
  readonly isRefused: boolean;
  /** It differs from what every receipt is of. */
  readonly isUnmatched: boolean;
}

/** Judges one receipt with the digests of its file, and the notices in the same ZIP. */
export type JudgeReceipt<Outcome> = (
  receipt: Uint8Array, evidence: Digests, name: string, notices: readonly Notice[],
) => Promise<Outcome>;

interface ReceiptFile {
  readonly name: string;
  readonly data: Uint8Array;
  readonly parsed: { readonly receipt: Receipt; readonly record: Record } | null;
  readonly notice: Notice | null;
}

type Hashed = Map<string, Digests>;

/** Judge every receipt in a ZIP; `given` are files beside it, and `tell` hears how much, 0 to 1, was read. */
export async function judgeArchive<Outcome extends { readonly report: Report }>(
  archive: Archive, given: ReadonlyMap<string, Digests>, judgeOne: JudgeReceipt<Outcome>, tell: (part: number) => void,
): Promise<{ judged: JudgedReceipt<Outcome>[]; others: OtherFile[] }> {
  const refused = [...archive.refused];
  const [receipts, inside] = await readAll(archive, refused, tell);
  const hashed = new Map([...given, ...inside]);
  // A file from beside the ZIP goes by its name only where no receipt has its digest.
  const strays = [...given.keys()].filter((name) => !receipts.some((receipt) => isOf(receipt, hashed.get(name)!)));
  const notices = receipts.flatMap(({ notice }) => notice ?? []);
  const [judged, used] = [[] as JudgedReceipt<Outcome>[], new Set<string>()];
  for (const receipt of receipts) {
    const { name, data, notice } = receipt;
    const files = findFiles(receipt, hashed, strays);
    const evidence = hashed.get(files[0] ?? "") ?? notice?.digests ?? NOTHING;
    const outcome = await judgeOne(data, evidence, name, notices);
    const alone = files.length > 0 || notice ? null : describeAlone(receipt, outcome.report);
    files.forEach((file) => used.add(file));
    judged.push({ receipt: name, files, alone, outcome });
  }
  // What a receipt of a list of files covers has no receipt of its own.
  const covered = [...used].flatMap((name) => COVERING_LIST.exec(name)?.[1] ?? []);
  const isUnmatched = (name: string) =>
    receipts.some(({ parsed }) => parsed) && !covered.some((folder) => name.startsWith(folder));
  const others = [...hashed.keys()].filter((name) => !used.has(name));
  const folders = [...inside.keys()].flatMap((name) => PACKAGE_LIST.exec(name)?.[1] ?? []);
  const isOfPackage = (name: string) =>
    folders.some((folder) => name.startsWith(folder) && PACKAGE_FILES.test(name.slice(folder.length)));
  return { judged, others: [
    ...refused.map(describeRefused),
    ...others.map((name) => isOfPackage(name) ? describePackageFile(name) : describeOther(name, isUnmatched(name))),
  ] };
}

/** Read each file once: receipts whole, and the digests of the others. */
async function readAll(
  { files }: Archive, refused: RefusedFile[], tell: (part: number) => void,
): Promise<[ReceiptFile[], Hashed]> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const [receipts, hashed] = [[] as ReceiptFile[], new Map() as Hashed];
  let done = 0;
  for (const file of files) {
    try {
      if (isReceiptName(file.name)) {
        receipts.push(await readReceipt(file));
      } else {
        hashed.set(file.name, await hashPieces(file.read(), true));
      }
    } catch (error) {
      refused.push({ name: file.name, reason: reasonOf(error) });
    }
    done += file.size;
    tell(done / (total || 1));
  }
  return [receipts, hashed];
}

async function readReceipt(file: ArchiveFile): Promise<ReceiptFile> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of file.read()) {
    pieces.push(piece);
    size += piece.length;
    if (size > MAX_RECEIPT_BYTES) {
      break; // step 1 refuses what is longer
    }
  }
  const [name, data] = [file.name, concat(...pieces)];
  try {
    const receipt = parseReceipt(data);
    const record = parseRecord(receipt.record);
    return { name, data, parsed: { receipt, record }, notice: await readNotice(name, data, false) };
  } catch (error) {
    if (!isRefusal(error)) {
      throw error;
    }
    return { name, data, parsed: null, notice: null };
  }
}

/** Return the words for a receipt without its file, which never say that anything was verified. */
function describeAlone({ parsed }: ReceiptFile, report: Report): Message {
  if (!parsed) {
    return headlineOf(report);
  }
  // Of a file that is not there nothing was compared: the words are about the rest.
  const told = { ...report, steps: report.steps.filter(({ number }) => number !== 2) };
  const error = errorOf(told);
  if (error === null) {
    return message("zip-receipt-only");
  }
  const isReplaced = evidenceError(told) === null && error.code === SUPERSEDED;
  const isOpen = evidenceError(told) === null && !isReplaced;
  const verdict = isReplaced ? message("page-result-superseded") : isOpen ? wordsOf(error) : headlineOf(told);
  return message("zip-receipt-failed", { verdict });
}

/** Return the files that a receipt is of: those with its digest, or else the one that is named like it. */
function findFiles(given: ReceiptFile, hashed: Hashed, strays: readonly string[]): string[] {
  const { name, notice } = given;
  if (notice !== null) {
    return [];
  }
  const same = [...hashed].filter(([, digests]) => isOf(given, digests));
  if (same.length > 0) {
    return same.map(([file]) => file);
  }
  const beside = name.slice(0, -RECEIPT_SUFFIX.length);
  // A packed folder has its originals in a folder of their own.
  const packed = beside.replace(/(^|\/)receipts\//, "$1data/originals/");
  const alone = beside.slice(beside.lastIndexOf("/") + 1);
  const found = [beside, packed].find((file) => hashed.has(file)) ?? strays.find((file) => file === alone);
  return found === undefined ? [] : [found];
}

/** Tell whether a receipt is of the file with these digests. */
function isOf({ parsed }: ReceiptFile, digests: Digests): boolean {
  const { sha256, sm3 } = parsed?.record.digests ?? NOTHING;
  return sha256 === null ? sm3 !== null && digests.sm3 === sm3 : digests.sha256 === sha256;
}

const MAX_NAMED = 20;

/** Name the files that match no receipt; null where there are none. */
export function describeUnmatched(others: readonly OtherFile[], spell: (name: string) => string): Message | null {
  const files = others.filter(({ isUnmatched }) => isUnmatched);
  const left = files.length > MAX_NAMED ? ["…"] : [];
  const names = join([...files.slice(0, MAX_NAMED).map(({ name }) => spell(name)), ...left]);
  return files.length > 0 ? message("files-unmatched", { count: files.length, names }) : null;
}

const describeRefused = ({ name, reason }: RefusedFile): OtherFile =>
  ({ name, words: message("zip-refused"), reason, isRefused: true, isUnmatched: false });

const describePackageFile = (name: string): OtherFile =>
  ({ name, words: message("zip-package-file"), reason: null, isRefused: false, isUnmatched: false });

const describeOther = (name: string, isUnmatched: boolean): OtherFile => ({
  name,
  words: isUnmatched ? message("file-matches-no-receipt") : message("zip-no-receipt"),
  reason: /\.zip$/i.test(name) ? message("zip-nested") : null,
  isRefused: false,
  isUnmatched,
});
