/** What a verification found: steps, claims, and the one code they add up to (anchor/verification/report.py). */

import type { Hex } from "./bytes.ts";
import {
  ABANDONED, CANNOT_CHECK, DONE, isRefusal, MALFORMED, MISMATCH, NOT_ANCHORED, NOT_FINAL, NOT_TRUSTED,
  type Refusal, SUPERSEDED, UNKNOWN_VERSION,
} from "./errors.ts";
import { join, message, type Message } from "./messages.ts";
import type { Notice } from "./notices.ts";
import type { Receipt } from "./receipt.ts";
import type { Record } from "./record.ts";
import { bestKind, type ChainKind, kindOf, NOT_PROVEN, provesTime } from "./release.ts";
import type { Anchor } from "./storage.ts";

export type Verdict = "pass" | "fail" | "cannot tell" | "not present";

/**
 * One numbered step and how it ended; `error` is null when it passed.  `provesTime` is false for a time of a chain
 * that proves no real time.
 */
export interface Step {
  readonly number: number;
  readonly detail: Message;
  readonly error: Refusal | null;
  readonly provesTime: boolean;
}

/** A step that was not made, and why: nothing calls for it, or an earlier one did not pass. */
export interface UnmadeStep {
  readonly number: number;
  readonly verdict: Verdict;
  readonly reason: Message;
}

/**
 * One statement a reader cares about, with the steps' verdict on it and the reason.  `provesTime` is false where the
 * verdict is by the clocks of chains alone that prove no real time.
 */
export interface Claim {
  readonly id: string;
  readonly title: Message;
  readonly verdict: Verdict;
  readonly reason: Message;
  readonly provesTime: boolean;
}

/** An anchor that covers the record, as the registry holds it in a final block. */
export interface ProvenAnchor {
  readonly chainId: number;
  readonly registry: Hex;
  readonly log: Hex;
  readonly root: Hex;
  /** The record's leaf in the log. */
  readonly index: number;
  readonly anchor: Anchor;
  readonly submitter: Hex;
  readonly finalBlockNumber: number | bigint;
  readonly finalBlockHash: Hex;
  /** Unix seconds, before which the record was not made; null where that is not proven. */
  readonly notBefore: number | null;
  /** Unix seconds. */
  readonly existedBy: number;
  readonly secondsSinceRecorded: number;
  readonly assurance: string;
  readonly isAsserted: boolean;
  /** The blocks after which the policy treats a block as final; null where the nodes' tag or a named block decided. */
  readonly finalAfter: number | null;
}

/** The verdict on a notice: `error` is why it does not count, and `fault` what counts for the whole report. */
export interface NoticeFinding {
  readonly notice: Notice;
  /** Its subject is the record that was verified, and not one that replaces it. */
  readonly isAboutRecord: boolean;
  /** Of its anchor that proves most; null where it does not count. */
  readonly leading: ProvenAnchor | null;
  readonly error: Refusal | null;
  readonly fault: Refusal | null;
  readonly detail: Message;
}

/** Everything one verification found, whether it passed or not. */
export interface Report {
  readonly receipt: Receipt | null;
  readonly record: Record | null;
  readonly steps: readonly Step[];
  readonly claims: readonly Claim[];
  readonly proven: readonly ProvenAnchor[];
  /** What no policy pins, accepted or not. */
  readonly unpinned: readonly Message[];
  /** Lines that are no findings. */
  readonly notes: readonly Message[];
  /** What this verification leaves open, beside what every one does. */
  readonly notProven: readonly Message[];
  /** Why the custody events given do not form a chain; null if they do, or there are none. */
  readonly custody: Refusal | null;
  readonly notices: readonly NoticeFinding[];
  readonly unmade: readonly UnmadeStep[];
}

const GRAVEST_FIRST = [
  MISMATCH, NOT_TRUSTED, NOT_ANCHORED, ABANDONED, SUPERSEDED, MALFORMED, UNKNOWN_VERSION, CANNOT_CHECK, NOT_FINAL,
];

/** Return the gravest finding on the evidence, of its steps and its custody; null when all passed. */
export const evidenceError = ({ steps, custody }: Report): Refusal | null =>
  gravestOf([...steps.flatMap((step) => step.error ?? []), ...(custody ? [custody] : [])]);

/** Return the gravest finding on the evidence and on whether its record stands; null when there is none. */
export const errorOf = (report: Report): Refusal | null =>
  gravestOf([evidenceError(report), ...report.notices.map(({ fault }) => fault)].flatMap((error) => error ?? []));

/** Return the gravest of what several reports end with. */
export const gravestOfAll = (reports: readonly Report[]): Refusal | null =>
  gravestOf(reports.flatMap((report) => errorOf(report) ?? []));

const STATUS_NOT_PROVEN = message("report-status-not-proven");

/** Return what a report leaves open: unless a notice tells it, whether the record still stands. */
export function openQuestions({ notices, notProven }: Report): Message[] {
  const isKnown = notices.some(({ error }) => error === null);
  return [...NOT_PROVEN.filter(({ id }) => !isKnown || id !== STATUS_NOT_PROVEN.id), ...notProven];
}

/** Makes all the checks of one step, so that what one finds does not hide what another would. */
export class Findings {
  private readonly errors: Refusal[] = [];

  /** Make a check; keep its refusal, and go on. */
  async make<Value>(check: () => Value | Promise<Value>): Promise<Value | null> {
    try {
      return await check();
    } catch (error) {
      if (!isRefusal(error)) {
        throw error;
      }
      this.errors.push(error);
      return null;
    }
  }

  /** Throw the gravest of all that were kept. */
  settle(): void {
    const error = gravestOf(this.errors);
    if (error) {
      throw error;
    }
  }
}

/** Return the gravest of errors, the earliest of its kind; null if there are none. */
export function gravestOf(errors: readonly Refusal[]): Refusal | null {
  for (const code of GRAVEST_FIRST) {
    const found = errors.find((error) => error.code === code);
    if (found) {
      return found;
    }
  }
  return null;
}

export const exitCode = (report: Report): number => errorOf(report)?.code ?? DONE;

/** Tell whether it passed on a chain whose times count, with everything pinned by somebody else. */
export const isPlainPass = (report: Report): boolean =>
  errorOf(report) === null && report.unpinned.length === 0 &&
  kindOfReport(report) === "main" && leadingAnchor(report)?.assurance !== "asserted";

/** What one verification amounts to, in the order in which a summary names them (anchor/verification/outcome_tally.py). */
const OUTCOMES = ["verified", "qualified", "superseded", "failed", "open"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Return what a report amounts to; a pass with a reservation is no plain pass. */
export const outcomeOf = (report: Report): Outcome =>
  errorOf(report) ? outcomeOfError(errorOf(report)!) : isPlainPass(report) ? "verified" : "qualified";

/** Return what an error amounts to; evidence that its operator withdrew has not failed. */
export const outcomeOfError = (error: Refusal): Outcome =>
  error.code === SUPERSEDED ? "superseded" : verdictOf(error) === "fail" ? "failed" : "open";

/** Return the tone in which one outcome, or several, are shown. */
export const toneOf = (outcomes: readonly Outcome[]): "pass" | "fail" | "unknown" =>
  outcomes.includes("failed") ? "fail" : outcomes.every((outcome) => outcome === "verified") ? "pass" : "unknown";

/** Return how many verifications there were, and how many of each outcome that occurs. */
export function describeTally(outcomes: readonly Outcome[]): Message {
  const counts = OUTCOMES.map((outcome) => outcomes.filter((each) => each === outcome).length) as [number, number, number, number, number];
  const named = [
    message("tally-verified", { count: counts[0] }),
    message("tally-qualified", { count: counts[1] }),
    message("tally-superseded", { count: counts[2] }),
    message("tally-failed", { count: counts[3] }),
    message("tally-open", { count: counts[4] }),
  ].filter((_, at) => counts[at]! > 0);
  const parts = join(named, "clause");
  return message("verification-tally", { total: outcomes.length, parts });
}

/** Return the kind of chain that the proof rests on; null where nothing was proven. */
export const kindOfReport = ({ proven }: Report): ChainKind | null =>
  proven.length > 0 ? bestKind(proven.map(({ chainId }) => chainId)) : null;

/** Tell whether the times of an anchor's chain prove real time. */
export const isOfRealTime = ({ chainId }: ProvenAnchor): boolean => provesTime(kindOf(chainId));

/** Return the claims as people read them: a time that no chain proves is open. */
export const shownClaims = ({ claims }: Report): Claim[] =>
  claims.map((claim) => claim.verdict === "pass" && !claim.provesTime ? { ...claim, verdict: "cannot tell" } : claim);

/** Return the anchor that proves most: by its chain, and then by its time. */
export function leadingAnchor(report: Report): ProvenAnchor | null {
  const kind = kindOfReport(report);
  const worth = [...report.proven].sort((one, other) => one.existedBy - other.existedBy);
  return worth.find(({ chainId }) => kindOf(chainId) === kind) ?? null;
}

const HEADLINES: { readonly [kind in ChainKind]: Message } = {
  main: message("verdict-verified"),
  test: message("verdict-verified-test-chain"),
  development: message("verdict-verified-development-chain"),
  unlisted: message("verdict-verified-unlisted-chain"),
};

const REFUSALS: { readonly [code: number]: Message } = {
  [MISMATCH]: message("verdict-mismatch"),
  [NOT_ANCHORED]: message("verdict-not-anchored"),
  [NOT_TRUSTED]: message("verdict-not-trusted"),
  [ABANDONED]: message("verdict-abandoned"),
  [MALFORMED]: message("verdict-malformed"),
};

/** Return the shortest true words for the whole: never those of a better proof. */
export function headlineOf(report: Report): Message {
  const error = errorOf(report);
  const ownError = evidenceError(report);
  const evidence = summarise(report, ownError);
  if (error?.code !== SUPERSEDED) {
    const isOpen = !ownError && verdictOf(error) === "cannot tell";
    return isOpen ? message("verdict-status-open", { evidence }) : summarise(report, error);
  }
  const isReplaced = report.notices.find(({ fault }) => fault === error)?.notice.replacement;
  return isReplaced ? message("verdict-superseded", { evidence }) : message("verdict-withdrawn", { evidence });
}

function summarise(report: Report, error: Refusal | null): Message {
  const leading = leadingAnchor(report);
  const kind = kindOfReport(report);
  if (error || leading === null || kind === null) {
    return wordsOf(error);
  }
  const headline = HEADLINES[kind];
  return leading.assurance === "asserted" ? message("verdict-by-your-block", { headline }) : headline;
}

/** Return the words for what does not pass. */
export function wordsOf(error: Refusal | null): Message {
  if (error?.code === NOT_FINAL) {
    return message("verdict-not-final");
  }
  if (error && verdictOf(error) === "cannot tell") {
    return message("verdict-cannot-tell");
  }
  return REFUSALS[error?.code ?? DONE] ?? message("verdict-not-verified");
}

/** Sort an outcome: passed, certainly wrong, or unknown. */
export function verdictOf(error: Refusal | null): Verdict {
  if (error === null) {
    return "pass";
  }
  const isWrong = [MALFORMED, MISMATCH, NOT_ANCHORED, NOT_TRUSTED, ABANDONED, SUPERSEDED].includes(error.code);
  return isWrong ? "fail" : "cannot tell";
}
