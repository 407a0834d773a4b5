/** Each receipt of a ZIP file with the file that it is of, and what there is beside them. */

import { concat, type Hex } from "../bytes.ts";
import { hashPieces } from "../digests.ts";
import { CANNOT_CHECK, DONE, isRefusal } from "../errors.ts";
import { message, type Message } from "../messages.ts";
import { applyNotices, type Notice, readNotice } from "../notices.ts";
import { MAX_RECEIPT_BYTES, parseReceipt, type Receipt } from "../receipt.ts";
import { type Digests, parseRecord, type Record } from "../record.ts";
import { errorOf, exitCode, headlineOf, isPlainPass, leadingAnchor, type Report, type Verdict, verdictOf } from "../report.ts";
import { judge, type Trust } from "../verifier.ts";
import { type Archive, type ArchiveFile, reasonOf, type RefusedFile } from "./archive.ts";

const SUFFIX = ".anchor.json";
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
  readonly tone: "pass" | "fail" | "unknown";
  readonly words: Message;
  readonly reason: Message | null;
  readonly receipt: string | null;
  readonly files: readonly string[];
  readonly match: Match;
  readonly code: number | null;
  readonly number: string | null;
  readonly place: Place | null;
}

interface ReceiptFile {
  readonly name: string;
  readonly data: Uint8Array;
  readonly parsed: { readonly receipt: Receipt; readonly record: Record } | null;
  readonly notice: Notice | null;
}

type Hashed = Map<string, Digests>;

/** Judge every receipt in a ZIP, offline; `tell` hears how much, 0 to 1, was read. */
export async function judgeArchive(archive: Archive, trust: Trust, tell: (part: number) => void): Promise<BatchRow[]> {
  const refused = [...archive.refused];
  const [receipts, hashed] = await readAll(archive, refused, tell);
  const notices = receipts.flatMap(({ notice }) => notice ?? []);
  const [rows, used] = [[] as BatchRow[], new Set<string>()];
  for (const receipt of receipts) {
    const row = await judgeReceipt(receipt, hashed, notices, trust);
    row.files.forEach((name) => used.add(name));
    rows.push(row);
  }
  const others = [...hashed.keys()].filter((name) => !used.has(name));
  return [...rows, ...refused.map(describeRefused), ...others.map(describeOther)];
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
      if (file.name.toLowerCase().endsWith(SUFFIX)) {
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
  given: ReceiptFile, hashed: Hashed, notices: readonly Notice[], trust: Trust,
): Promise<BatchRow> {
  const { name, data, parsed, notice } = given;
  const [files, match] = findFiles(given, hashed);
  const evidence = hashed.get(files[0] ?? "") ?? notice?.digests ?? parsed?.record.digests ?? NOTHING;
  const report = await applyNotices(await judge(data, evidence, trust), notices,
    (receipt, digests) => judge(receipt, digests, trust));
  const error = errorOf(report);
  const verdict = headlineOf(report);
  const isAlone = match === "none" && parsed !== null;
  const code = exitCode(report);
  return {
    tone: toneOf(verdictOf(error), isPlainPass(report) && !isAlone),
    words: isAlone ? message("batch-zip-receipt-only", { verdict }) : verdict,
    reason: error?.reason ?? null,
    receipt: name,
    files,
    match,
    // Of a file that is not there nothing was checked.
    code: isAlone && code === DONE ? CANNOT_CHECK : code,
    number: report.record?.number ?? null,
    place: placeOf(report),
  };
}

/** Return the files that a receipt is of: those with its digest, or else the one that is named like it. */
function findFiles({ name, parsed, notice }: ReceiptFile, hashed: Hashed): [string[], Match] {
  if (notice !== null) {
    return [[], "notice"];
  }
  if (parsed !== null) {
    const { sha256, sm3 } = parsed.record.digests;
    const same = [...hashed].filter(([, digests]) => sha256 === null ? digests.sm3 === sm3 : digests.sha256 === sha256);
    if (same.length > 0) {
      return [same.map(([file]) => file), "digest"];
    }
  }
  const beside = name.slice(0, -SUFFIX.length);
  // A packed folder has its originals in a folder of their own.
  const packed = beside.replace(/(^|\/)receipts\//, "$1data/originals/");
  const found = [beside, packed].find((file) => hashed.has(file));
  return found === undefined ? [[], "none"] : [[found], "name"];
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

const toneOf = (verdict: Verdict, isPlain: boolean): BatchRow["tone"] =>
  verdict === "fail" ? "fail" : isPlain ? "pass" : "unknown";

const WITHOUT = { tone: "unknown", receipt: null, match: "none", code: null, number: null, place: null } as const;

const describeRefused = ({ name, reason }: RefusedFile): BatchRow =>
  ({ ...WITHOUT, words: message("batch-zip-refused"), reason, files: [name] });

const describeOther = (name: string): BatchRow => ({
  ...WITHOUT,
  words: message("batch-zip-no-receipt"),
  reason: /\.zip$/i.test(name) ? message("batch-zip-nested") : null,
  files: [name],
});
