/** A ZIP file with receipts that is no bag, such as the package of a case, and the originals given beside it. */

import { isReceiptName, openArchive } from "../batch/archive.ts";
import { type BatchRow, describeUnmatched, judgeArchive } from "../batch/verification.ts";
import { startHashing } from "../digests.ts";
import { malformed, mismatch } from "../errors.ts";
import { inLanguage, join, type Language, message } from "../messages.ts";
import type { Notice } from "../notices.ts";
import type { Digests } from "../record.ts";
import { describeTally, errorOf, gravestOf, headlineOf, isPlainPass, outcomeOf, outcomeOfError, type Report, toneOf, wordsOf } from "../report.ts";
import { describeReports, type PolicySource, type UnreportedFile } from "../report_json.ts";
import { box, showOriginal } from "./bag.ts";
import { make, show } from "./elements.ts";
import type { Policy } from "./given.ts";
import type { Outcome, Say } from "./report.ts";

/** A receipt that was judged: its line, and the whole outcome. */
interface JudgedReceipt {
  readonly row: BatchRow;
  readonly outcome: Outcome;
}

/** What came of each receipt, and of what there is beside them. */
export interface ReceiptsOutcome {
  readonly name: string;
  readonly rows: readonly JudgedReceipt[];
  readonly refused: readonly UnreportedFile[];
  /** Files without a receipt, and those that are not safe to read. */
  readonly others: readonly BatchRow[];
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
  const outcomes = new Map<Report, Outcome>();
  const judged = await judgeArchive(archive, given, async (...asked) => {
    const outcome = await judgeOne(...asked);
    outcomes.set(outcome.report, outcome);
    return outcome.report;
  }, (part) => tell((sizes + part * (total - sizes)) / total));
  const rows = judged.flatMap((row) => {
    const outcome = row.report && outcomes.get(row.report);
    return outcome ? [{ row, outcome: { ...outcome, file: row.files[0] ?? row.receipt! } }] : [];
  });
  const others = judged.filter(({ report }) => report === null);
  const refused = others.flatMap(({ files: [file], isRefused, isUnmatched, words, reason }) =>
    isUnmatched ? [{ file: file!, error: mismatch(words) }]
      : isRefused && reason && isReceiptName(file!) ? [{ file: file!, error: malformed(reason) }] : []);
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
  const missing = rows.filter(({ row }) => row.match === "none").length;
  const name = show(outcome.name, 120);
  const unmatched = describeUnmatched(others, (file) => show(file, 120));
  const lines = missing > 0 ? [say(message("page-originals-missing", { count: missing }))] : [];
  return [
    box(toneOf(results), say(telling ? headlineOf(telling) : wordsOf(gravest)), say(describeTally(results)), name, lines, unmatched && say(unmatched)),
    make("section", {}, ...rows.map((each) => showRow(each, language, say)), ...showOthers(others, say)),
  ];
}

function showRow({ row, outcome }: JudgedReceipt, language: Language, say: Say): HTMLElement {
  return showOriginal(outcome, language, say, row.match === "none" ? row.words : null);
}

function showOthers(others: readonly BatchRow[], say: Say): HTMLElement[] {
  return others.length === 0 ? [] : [make("details", {},
    make("summary", {}, say(message("page-zip-others", { count: others.length }))),
    make("ul", { class: "plain" }, ...others.map(({ files, words, reason }) =>
      make("li", {}, show(`${files.join()}: ${say(reason ? join([words, reason], "semicolon") : words)}`, 600)))))];
}

/** Describe the outcome as the document that `anchor verify --json` prints. */
export function describeReceipts({ rows, refused }: ReceiptsOutcome, policies: readonly PolicySource[]) {
  const outcomes = rows.map(({ outcome }) => outcome);
  const nodes = [...new Set(outcomes.flatMap((each) => each.nodes))];
  return describeReports(outcomes, [], policies, nodes, refused);
}
