/** A ZIP file with receipts that is no bag, such as the package of a case, and the originals given beside it. */

import { isReceiptName, openArchive } from "../archive.ts";
import { describeUnmatched, judgeArchive, type OtherFile } from "../receipts_zip.ts";
import { startHashing } from "../digests.ts";
import { malformed, mismatch } from "../errors.ts";
import { inLanguage, join, type Language, message, type Message } from "../messages.ts";
import type { Notice } from "../notices.ts";
import type { Digests } from "../record.ts";
import { describeTally, errorOf, gravestOf, headlineOf, isPlainPass, outcomeOf, outcomeOfError, toneOf, wordsOf } from "../report.ts";
import { describeReports, type PolicySource, type UnreportedFile } from "../report_json.ts";
import { box, showOriginal } from "./bag.ts";
import { make, show } from "./elements.ts";
import type { Policy } from "./given.ts";
import type { Outcome, Say } from "./report.ts";

/** What came of each receipt, and of what there is beside them. */
export interface ReceiptsOutcome {
  readonly name: string;
  /** Of each receipt the whole outcome, and what is said of one without its original. */
  readonly rows: readonly { readonly outcome: Outcome; readonly alone: Message | null }[];
  readonly refused: readonly UnreportedFile[];
  /** Files without a receipt, and those that are not safe to read. */
  readonly others: readonly OtherFile[];
  readonly policy: Policy | null;
}

/** Judge every receipt in a ZIP with its original, inside or beside it; `tell` hears how much was read. */
export async function judgeReceipts(
  zip: File,
  originals: readonly File[],
  script: string,
  policy: Policy | null,
  judgeOne: (receipt: Uint8Array, evidence: Digests, file: string, notices: readonly Notice[]) => Promise<Outcome>,
  tell: (part: number) => void,
): Promise<ReceiptsOutcome> {
  const archive = await openArchive(zip);
  const inside = archive.files.map(({ name }) => name);
  const sizes = originals.reduce((sum, { size }) => sum + size, 0);
  const total = sizes + archive.files.reduce((sum, { size }) => sum + size, 0) || 1;
  const given = new Map<string, Digests>();
  let done = 0;
  for (const file of originals) {
    const hashing = startHashing(file, script, (part) => tell((done + part * file.size) / total));
    given.set(findName(file.name, [...inside, ...given.keys()]), await hashing.digests);
    done += file.size;
  }
  const { judged, others } = await judgeArchive(archive, given, judgeOne, (part) => tell((sizes + part * (total - sizes)) / total));
  const rows = judged.map(({ receipt, files, alone, outcome }) => ({ alone, outcome: { ...outcome, file: files[0] ?? receipt } }));
  const refused = others.flatMap(({ name: file, isRefused, isUnmatched, words, reason }) =>
    isUnmatched ? [{ file, error: mismatch(words) }]
      : isRefused && reason && isReceiptName(file) ? [{ file, error: malformed(reason) }] : []);
  return { name: zip.name, rows, refused, others, policy };
}

/** Return a name that no other file has. */
function findName(name: string, taken: readonly string[]): string {
  return taken.includes(name) ? findName(`./${name}`, taken) : name;
}

/** Show what the receipts amount to, a part for each that opens, and the names of the other files. */
export function showReceipts(outcome: ReceiptsOutcome, language: Language): HTMLElement[] {
  const say: Say = (text) => inLanguage(text, language);
  const { rows, refused, others } = outcome;
  const errors = [...rows.flatMap((each) => errorOf(each.outcome.report) ?? []), ...refused.map(({ error }) => error)];
  const gravest = gravestOf(errors);
  const reports = rows.map((each) => each.outcome.report);
  // The words of the weakest that passed, where all did.
  const weakest = reports.find((report) => !isPlainPass(report)) ?? reports[0];
  const telling = gravest ? reports.find((report) => errorOf(report) === gravest) : weakest;
  const results = [...reports.map(outcomeOf), ...refused.map(({ error }) => outcomeOfError(error))];
  const missing = rows.filter(({ alone }) => alone).length;
  const name = show(outcome.name, 120);
  const unmatched = describeUnmatched(others, (file) => show(file, 120));
  const lines = missing > 0 ? [say(message("page-originals-missing", { count: missing }))] : [];
  return [
    box(toneOf(results), say(telling ? headlineOf(telling) : wordsOf(gravest)), say(describeTally(results)), name, lines, unmatched && say(unmatched)),
    make("section", {}, ...rows.map(({ outcome, alone }) => showOriginal(outcome, language, say, alone)), ...showOthers(others, say)),
  ];
}

function showOthers(others: readonly OtherFile[], say: Say): HTMLElement[] {
  return others.length === 0 ? [] : [make("details", {},
    make("summary", {}, say(message("page-zip-others", { count: others.length }))),
    make("ul", { class: "plain" }, ...others.map(({ name, words, reason }) =>
      make("li", {}, show(`${name}: ${say(reason ? join([words, reason], "semicolon") : words)}`, 600)))))];
}

/** Describe the outcome as the document that `anchor verify --json` prints. */
export function describeReceipts({ rows, refused }: ReceiptsOutcome, policies: readonly PolicySource[]) {
  const outcomes = rows.map(({ outcome }) => outcome);
  const nodes = [...new Set(outcomes.flatMap((each) => each.nodes))];
  return describeReports(outcomes, [], policies, nodes, refused);
}
