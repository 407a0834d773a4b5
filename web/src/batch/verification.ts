/** Each receipt of a ZIP file with the file that it is of, and what there is beside them. */

import { concat, type Hex } from "../bytes.ts";
import { hashPieces } from "../digests.ts";
import { isRefusal, SUPERSEDED } from "../errors.ts";
import { join, message, type Message } from "../messages.ts";
import { type Notice, readNotice } from "../notices.ts";
import { MAX_RECEIPT_BYTES, parseReceipt, type Receipt } from "../receipt.ts";
import { type Digests, parseRecord, type Record } from "../record.ts";
import { errorOf, evidenceError, exitCode, headlineOf, leadingAnchor, outcomeOf, type Report, toneOf, wordsOf } from "../report.ts";
import { type Archive, type ArchiveFile, isReceiptName, reasonOf, RECEIPT_SUFFIX, type RefusedFile } from "./archive.ts";

// What `anchor pack` and a service's package hold beside originals and receipts (anchor/bag/receipt_package.py).
const PACKAGE_LIST = /^((?:[^/]*\/)?)tagmanifest-sha256\.txt$/;
const PACKAGE_FILES =
  /^(README\.(en|zh)\.md|bagit\.txt|bag-info\.txt|(tag)?manifest-sha256\.txt|sm3sums\.txt|(policy|verify|exhibits|certificate|signatures|statements|timestamps)\/[^/]+)$/;
// The list of files that is the evidence of a capture (docs/spec/bag.md).
const COVERING_LIST = /^((?:[^/]*\/)*)manifest-sha256\.txt$/;
const NOTHING: Digests = { sha256: null, sm3: null, size: null };

/** How a receipt and a file of the ZIP belong together. */
export type Match = "digest" | "name" | "none" | "notice";

/** When a block was made, and where: proven, or only stated by the receipt. */
export interface Place {
  readonly timestamp: number;
  readonly chainId: number;
  readonly registry: Hex;
  readonly isProven: boolean;
}

/** One line of the table; `code` (as `anchor verify` ends) and `receipt` are null where there is no receipt. */
export interface BatchRow {
  /** "none" of a file that nothing has to be shown of. */
  readonly tone: "pass" | "fail" | "unknown" | "none";
  readonly words: Message;
  readonly reason: Message | null;
  readonly receipt: string | null;
  readonly files: readonly string[];
  /** A file of the ZIP that is not safe to read. */
  readonly isRefused: boolean;
  /** A file that differs from what every receipt is of. */
  readonly isUnmatched: boolean;
  readonly match: Match;
  readonly code: number | null;
  readonly number: string | null;
  readonly place: Place | null;
  /** Null where there is no receipt; of one without its file, what the receipt alone shows. */
  readonly report: Report | null;
}

/** Judges one receipt with the digests of its file, and the notices in the same ZIP. */
export type JudgeReceipt = (
  receipt: Uint8Array, evidence: Digests, name: string, notices: readonly Notice[],
) => Promise<Report>;

interface ReceiptFile {
  readonly name: string;
  readonly data: Uint8Array;
  readonly parsed: { readonly receipt: Receipt; readonly record: Record } | null;
  readonly notice: Notice | null;
}

type Hashed = Map<string, Digests>;

/** Judge every receipt in a ZIP; `given` are files beside it, and `tell` hears how much, 0 to 1, was read. */
export async function judgeArchive(
  archive: Archive, given: ReadonlyMap<string, Digests>, judgeOne: JudgeReceipt, tell: (part: number) => void,
): Promise<BatchRow[]> {
  const refused = [...archive.refused];
  const [receipts, inside] = await readAll(archive, refused, tell);
  const hashed = new Map([...given, ...inside]);
  // A file from beside the ZIP goes by its name only where no receipt has its digest.
  const strays = [...given.keys()].filter((name) => !receipts.some((receipt) => isOf(receipt, hashed.get(name)!)));
  const notices = receipts.flatMap(({ notice }) => notice ?? []);
  const [rows, used] = [[] as BatchRow[], new Set<string>()];
  for (const receipt of receipts) {
    const row = await judgeReceipt(receipt, findFiles(receipt, hashed, strays), hashed, notices, judgeOne);
    row.files.forEach((name) => used.add(name));
    rows.push(row);
  }
  // What a receipt of a list of files covers has no receipt of its own.
  const covered = [...used].flatMap((name) => COVERING_LIST.exec(name)?.[1] ?? []);
  const isUnmatched = (name: string) =>
    receipts.some(({ parsed }) => parsed) && !covered.some((folder) => name.startsWith(folder));
  const others = [...hashed.keys()].filter((name) => !used.has(name));
  const folders = [...inside.keys()].flatMap((name) => PACKAGE_LIST.exec(name)?.[1] ?? []);
  const isOfPackage = (name: string) =>
    folders.some((folder) => name.startsWith(folder) && PACKAGE_FILES.test(name.slice(folder.length)));
  return [
    ...rows, ...refused.map(describeRefused),
    ...others.map((name) => isOfPackage(name) ? describePackageFile(name) : describeOther(name, isUnmatched(name))),
  ];
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

async function judgeReceipt(
  given: ReceiptFile, [files, match]: [string[], Match], hashed: Hashed, notices: readonly Notice[],
  judgeOne: JudgeReceipt,
): Promise<BatchRow> {
  const { name, data, parsed, notice } = given;
  const evidence = hashed.get(files[0] ?? "") ?? notice?.digests ?? NOTHING;
  const report = await judgeOne(data, evidence, name, notices);
  const isAlone = match === "none" && parsed !== null;
  // Of a file that is not there nothing was compared: the words are about the rest.
  const told = isAlone ? { ...report, steps: report.steps.filter(({ number }) => number !== 2) } : report;
  const error = errorOf(told);
  return {
    tone: isAlone && outcomeOf(told) === "verified" ? "unknown" : toneOf([outcomeOf(told)]),
    words: isAlone ? describeAlone(told) : headlineOf(told),
    reason: error?.reason ?? null,
    receipt: name,
    files,
    isRefused: false,
    isUnmatched: false,
    match,
    code: exitCode(report),
    number: report.record?.number ?? null,
    place: placeOf(report),
    report,
  };
}

/** Return the words for a receipt without its file, which never say that anything was verified. */
function describeAlone(told: Report): Message {
  const error = errorOf(told);
  if (error === null) {
    return message("batch-zip-receipt-only");
  }
  const isReplaced = evidenceError(told) === null && error.code === SUPERSEDED;
  const isOpen = evidenceError(told) === null && !isReplaced;
  const verdict = isReplaced ? message("page-result-superseded") : isOpen ? wordsOf(error) : headlineOf(told);
  return message("batch-zip-receipt-failed", { verdict });
}

/** Return the files that a receipt is of: those with its digest, or else the one that is named like it. */
function findFiles(given: ReceiptFile, hashed: Hashed, strays: readonly string[]): [string[], Match] {
  const { name, notice } = given;
  if (notice !== null) {
    return [[], "notice"];
  }
  const same = [...hashed].filter(([, digests]) => isOf(given, digests));
  if (same.length > 0) {
    return [same.map(([file]) => file), "digest"];
  }
  const beside = name.slice(0, -RECEIPT_SUFFIX.length);
  // A packed folder has its originals in a folder of their own.
  const packed = beside.replace(/(^|\/)receipts\//, "$1data/originals/");
  const alone = beside.slice(beside.lastIndexOf("/") + 1);
  const found = [beside, packed].find((file) => hashed.has(file)) ?? strays.find((file) => file === alone);
  return found === undefined ? [[], "none"] : [[found], "name"];
}

/** Tell whether a receipt is of the file with these digests. */
function isOf({ parsed }: ReceiptFile, digests: Digests): boolean {
  const { sha256, sm3 } = parsed?.record.digests ?? NOTHING;
  return sha256 === null ? sm3 !== null && digests.sm3 === sm3 : digests.sha256 === sha256;
}

function placeOf(report: Report): Place | null {
  const proven = leadingAnchor(report);
  if (proven) {
    const { chainId, registry, anchor: { timestamp } } = proven;
    return { timestamp, chainId, registry, isProven: true };
  }
  const [stated] = report.receipt?.anchors ?? [];
  return stated ? { timestamp: stated.timestamp, chainId: stated.chainId, registry: stated.registry, isProven: false } : null;
}

const MAX_NAMED = 20;

/** Name the files that match no receipt; null where there are none. */
export function describeUnmatched(rows: readonly BatchRow[], spell: (name: string) => string): Message | null {
  const files = rows.filter(({ isUnmatched }) => isUnmatched).flatMap((row) => row.files);
  const left = files.length > MAX_NAMED ? ["…"] : [];
  const names = join([...files.slice(0, MAX_NAMED).map(spell), ...left]);
  return files.length > 0 ? message("files-unmatched", { count: files.length, names }) : null;
}

const WITHOUT = { tone: "unknown", receipt: null, isRefused: false, isUnmatched: false, match: "none", code: null, number: null, place: null, report: null } as const;

const describeRefused = ({ name, reason }: RefusedFile): BatchRow =>
  ({ ...WITHOUT, words: message("batch-zip-refused"), reason, files: [name], isRefused: true });

const describePackageFile = (name: string): BatchRow =>
  ({ ...WITHOUT, tone: "none", words: message("batch-zip-package-file"), reason: null, files: [name] });

const describeOther = (name: string, isUnmatched: boolean): BatchRow => ({
  ...WITHOUT,
  tone: isUnmatched ? "fail" : "unknown",
  isUnmatched,
  words: isUnmatched ? message("file-matches-no-receipt") : message("batch-zip-no-receipt"),
  reason: /\.zip$/i.test(name) ? message("batch-zip-nested") : null,
  files: [name],
});
