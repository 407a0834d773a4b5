/** Notices: records that supersede or withdraw others (anchor/verification/notice_claim.py). */

import { type BagSource } from "./bag_format.ts";
import { encodeUtf8, type Hex, sha256 } from "./bytes.ts";
import { encodeCanonical, parseCanonical } from "./canonical.ts";
import { hashPieces } from "./digests.ts";
import { attributeRefusal, isRefusal, mismatch, Refusal, SUPERSEDED } from "./errors.ts";
import { message, type Message } from "./messages.ts";
import { parseReceipt, type Receipt } from "./receipt.ts";
import { type Digests, parseRecord } from "./record.ts";
import { errorOf, leadingAnchor, type NoticeFinding, type Report, verdictOf } from "./report.ts";
import { ownerOf } from "./steps.ts";

const HEX = /^[0-9a-f]{64}$/;
const TEXT = /^[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]{1,1000}$/u;
const FORMS: readonly [string, RegExp][] = [
  ["subject", HEX], ["replacement", HEX], ["reason", TEXT],
  ["at", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/], ["actor", TEXT],
];

/** A notice in a receipt; `record` is the SHA-256 of its record, and `isNamed`: the person gave it. */
export interface Notice {
  readonly name: string;
  readonly receipt: Receipt;
  readonly record: Hex;
  readonly subject: Hex;
  /** Null: the record is withdrawn. */
  readonly replacement: Hex | null;
  readonly reason: string;
  readonly at: string;
  readonly actor: string;
  readonly digests: Digests;
  readonly isNamed: boolean;
}

/** Read the notice in a receipt; null where its record holds none. */
export async function readNotice(name: string, data: Uint8Array, isNamed: boolean): Promise<Notice | null> {
  const receipt = parseReceipt(data);
  parseRecord(receipt.record);
  const value = parseCanonical(receipt.record, message("evidence-record"));
  const [kind, members] = value instanceof Map ? [value.get("kind"), value.get("notice")] : [];
  if ((kind !== "supersedes" && kind !== "withdraws") || !(members instanceof Map)) {
    return null;
  }
  const text: { [member: string]: string } = {};
  for (const [member, form] of FORMS) {
    const stated = members.get(member);
    if (member === "replacement" && kind === "withdraws" && stated === undefined) {
      continue;
    }
    if (typeof stated !== "string" || !form.test(stated) || (member === "replacement" && kind === "withdraws")) {
      return null;
    }
    text[member] = stated;
  }
  const { subject, replacement = null, reason, at, actor } = text;
  const digests = await hashPieces(onePiece(encodeUtf8(encodeCanonical(members))), true);
  return {
    name, receipt, record: hashRecord(receipt), subject: subject!, replacement, reason: reason!, at: at!, actor: actor!,
    digests, isNamed,
  };
}

/** Read the notices in a bag; another file in their folder is one that nobody verifies. */
export async function listNotices(source: BagSource, read: (name: string) => Promise<Uint8Array>): Promise<Notice[]> {
  const notices: Notice[] = [];
  for (const name of [...source.sizes.keys()].sort()) {
    if (name.startsWith("notices/") && name.endsWith(".anchor.json")) {
      const notice = await orNull(async () => readNotice(name, await read(name), false));
      notices.push(...(notice ? [notice] : []));
    }
  }
  return notices;
}

async function orNull<Value>(read: () => Promise<Value>): Promise<Value | null> {
  try {
    return await read();
  } catch (error) {
    if (!isRefusal(error)) {
      throw error;
    }
    return null;
  }
}

async function* onePiece(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

const hashRecord = ({ record }: Receipt): Hex => sha256(encodeUtf8(record));

/** Add the notices about a report's record, and about those that supersede it, each once. */
export async function applyNotices(
  report: Report, notices: readonly Notice[], judge: (receipt: Receipt, evidence: Digests) => Promise<Report>,
): Promise<Report> {
  if (!report.receipt || !report.record) {
    return report;
  }
  const reached = [hashRecord(report.receipt)];
  const findings: NoticeFinding[] = [];
  for (const record of reached) {
    const judged: NoticeFinding[] = [];
    const isBelieved = (notice: Notice) => judged.some((each) => !each.error && each.notice.record === notice.record);
    for (const notice of notices.filter(({ subject }) => subject === record)) {
      if (!isBelieved(notice)) {
        judged.push(await judgeNotice(notice, report.receipt, record === reached[0], judge));
      }
    }
    for (const finding of judged.filter(({ error, notice }) => !error || !isBelieved(notice))) {
      findings.push(finding);
      const { replacement } = finding.notice;
      if (!finding.error && replacement && !reached.includes(replacement)) {
        reached.push(replacement);
      }
    }
  }
  return { ...report, notices: findings };
}

async function judgeNotice(
  notice: Notice, { log }: Receipt, isAboutRecord: boolean, judge: (receipt: Receipt, evidence: Digests) => Promise<Report>,
): Promise<NoticeFinding> {
  const detail = describeNotice(notice);
  try {
    if (ownerOf(notice.receipt.log) !== ownerOf(log)) {
      throw mismatch(message("notice-of-other-log"));
    }
    const report = await judge(notice.receipt, notice.digests);
    const error = errorOf(report);
    if (error) {
      throw error;
    }
    const fault = isAboutRecord ? new Refusal(SUPERSEDED, detail, message("notice-hint")) : null;
    return { notice, isAboutRecord, leading: leadingAnchor(report), error: null, fault, detail };
  } catch (error) {
    if (!isRefusal(error)) {
      throw error;
    }
    // Anybody can put a notice that proves nothing into a bag; what cannot be told leaves it open.
    const counts = notice.isNamed || verdictOf(error) === "cannot tell";
    const fault = counts ? attributeRefusal(error, notice.name) : null;
    return { notice, isAboutRecord, leading: null, error, fault, detail: error.reason };
  }
}

function describeNotice({ subject: record, replacement, at: time, actor, reason }: Notice): Message {
  return replacement === null
    ? message("notice-withdraws", { record, time, actor, reason })
    : message("notice-supersedes", { record, replacement, time, actor, reason });
}
