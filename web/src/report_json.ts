/** The report as the document that `anchor verify --json` prints (docs/schemas/verification.json). */

import { formatAddress, type Hex } from "./bytes.ts";
import { DONE, type Refusal } from "./errors.ts";
import { inLanguage, message, type Message } from "./messages.ts";
import { findChain, nameOf, titleOfStep } from "./release.ts";
import { errorOf, exitCode, gravestOf, headlineOf, type NoticeFinding, openQuestions, type Report, verdictOf } from "./report.ts";
import { formatTime } from "./text.ts";

/** A policy that counted; `dropped`: on the page, and the person said that it is theirs. */
export interface PolicySource {
  readonly file: string;
  readonly sha256: Hex;
  readonly source: "option" | "dropped";
}

/** A receipt that is not safe to read, or a file that matches no receipt, and why. */
export interface UnreportedFile {
  readonly file: string;
  readonly error: Refusal;
}

/** What a document says of one file: its exit code and problem, and the rest if it could be judged. */
export type DescribedFile = ReturnType<typeof describeRefused> & Partial<ReturnType<typeof describeFile>>;

/** Describe one file's report; `policies` and `nodes` name what it rests on. */
export const describeReport = (
  report: Report, file: string, policies: readonly PolicySource[], nodes: readonly string[],
) => describeReports([{ report, file }], [], policies, nodes);

/** Describe the reports on several files, which may be those of a bag. */
export function describeReports(
  reports: readonly { readonly report: Report; readonly file: string }[], bags: readonly object[],
  policies: readonly PolicySource[], nodes: readonly string[], refused: readonly UnreportedFile[] = [],
) {
  const errors = [...reports.flatMap(({ report }) => errorOf(report) ?? []), ...refused.map(({ error }) => error)];
  const files = [...reports.map(({ report, file }) => describeFile(report, file)), ...refused.map(describeRefused)];
  return describeRun(gravestOf(errors)?.code ?? DONE, policies, nodes, bags, files);
}

/** Describe a file that could not be verified. */
export function describeRefusal(error: Refusal, file: string, policies: readonly PolicySource[]) {
  return describeRun(error.code, policies, [], [], [describeRefused({ file, error })]);
}

const describeRefused = ({ file, error }: UnreportedFile) =>
  ({ file, exit_code: error.code, problem: describeProblem(error) });

function describeRun(
  code: number, policies: readonly PolicySource[], nodes: readonly string[], bags: readonly object[],
  files: readonly DescribedFile[],
) {
  return { format: "anchor-verify/1", exit_code: code, policies, unused_project: null, nodes, bags, files };
}

function describeFile(report: Report, file: string) {
  return {
    file,
    exit_code: exitCode(report),
    headline: headlineOf(report).text,
    number: report.record?.number ?? null,
    problem: describeProblem(errorOf(report)),
    steps: report.steps.map(({ number, detail, error }) => ({
      number, title: titleOfStep(number).text, verdict: verdictOf(error), detail: detail.text,
    })),
    claims: report.claims.map(({ id, title, verdict, reason }) => ({
      id, title: title.text, verdict, reason: reason.text,
    })),
    anchors: report.proven.map((proven) => ({
      chain_id: proven.chainId,
      chain: describeChain(proven.chainId),
      registry: formatAddress(proven.registry),
      log: `0x${proven.log}`,
      root: proven.root,
      index: proven.index,
      size: proven.anchor.size,
      sequence: proven.anchor.sequence,
      block_number: proven.anchor.blockNumber,
      timestamp: proven.anchor.timestamp,
      submitter: formatAddress(proven.submitter),
      final_block_number: Number(proven.finalBlockNumber),
      final_block_hash: `0x${proven.finalBlockHash}`,
      made_no_earlier_than: proven.notBefore === null ? null : spellTime(proven.notBefore),
      existed_no_later_than: spellTime(proven.existedBy),
      seconds_since_recorded: proven.secondsSinceRecorded,
      assurance: proven.assurance,
      finality: proven.isAsserted ? "asserted" : "observed",
      ...(proven.finalAfter === null ? {} : { final_after_blocks: proven.finalAfter }),
    })),
    unpinned: spell(report.unpinned),
    statements: report.record?.statements ?? [],
    notes: spell(report.notes),
    not_proven: spell(openQuestions(report)),
    ...(report.notices.length > 0 ? { notices: report.notices.map(describeNotice) } : {}),
  };
}

function describeNotice({ notice, isAboutRecord, leading, error, detail }: NoticeFinding) {
  const { name, subject, replacement, reason, at, actor } = notice;
  return {
    file: name,
    kind: replacement === null ? "withdraws" : "supersedes",
    subject, replacement, reason, at, actor,
    verdict: verdictOf(error),
    detail: detail.text,
    existed_no_later_than: leading && spellTime(leading.existedBy),
    of_this_record: isAboutRecord,
  };
}

/** The page ships numbers in the place of ids, so the document names none. */
function describeProblem(error: Refusal | null) {
  return error && { id: null, message: error.reason.text, hint: error.hint?.text ?? null };
}

function describeChain(chainId: number) {
  const chain = findChain(chainId);
  const name = chain ? nameOf(chain) : message("chain-by-number", { chain: chainId });
  return { name: inLanguage(name, "en"), kind: chain?.kind ?? "unlisted", tested: chain?.tested ?? false };
}

const spellTime = (seconds: number): string => formatTime(seconds).replace(" ", "T") + "Z";

const spell = (texts: readonly Message[]): string[] => texts.map(({ text }) => text);
