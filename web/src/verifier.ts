/**
 * Verification as one numbered list: the steps of docs/verification.md, in the order and with the
 * words of anchor/verification/verifier.py.
 */

import { UNKNOWN } from "./abandonment.ts";
import { formatAddress, type Hex } from "./bytes.ts";
import {
  type Block, checkDerived, checkFile, checkPaths, checkTime, type Connect, type Found,
  finalityByDepth, parseDocuments, type Target,
} from "./steps.ts";
import { checkEarliestTime, explainAbsence } from "./earliest_time.ts";
import { cannotCheck, isRefusal, type Refusal } from "./errors.ts";
import { checkAnchored, checkChain, checkCode, wordOf } from "./node_steps.ts";
import {
  checkBlock, checkProvenAnchor, checkProvenCode, checkProvenSubmitter, checkReadSubmitter,
  listNamed, type Submitter,
} from "./proof_steps.ts";
import { join, message, type Message, unique } from "./messages.ts";
import type { Receipt } from "./receipt.ts";
import type { Digests, Record } from "./record.ts";
import { CLAIMS, isGroupName, kindOf, provesTime, STEPS } from "./release.ts";
import type { Anchor } from "./storage.ts";
import type { StateProof } from "./state_proof.ts";
import {
  type Candidate, chooseTarget, describeUnpinned, doubtUnpinned, listCandidates,
} from "./targets.ts";
import type { TrustEntry } from "./policy.ts";
import { type Claim, type ProvenAnchor, type Report, type Step, type UnmadeStep, type Verdict, verdictOf } from "./report.ts";

/** What the verifier brings: nothing of it comes from the receipt. */
export interface Trust {
  readonly policy: readonly TrustEntry[] | null;
  /** Null: no node is asked. */
  readonly connect: Connect | null;
  /** Final blocks, as the verifier knows from elsewhere. */
  readonly blockHashes: readonly Hex[];
  /** The chains that the verifier names; none: whichever. */
  readonly chainIds: readonly number[];
  /** Without a policy take the receipt's word for chain and owner. */
  readonly acceptUnpinned: boolean;
}

/** Compares the files of which the evidence is the list with the record's text. */
export type CheckFiles = (record: string) => void | Promise<void>;

/** Run every step that can be run, and report each claim's verdict with its reason. */
export async function judge(
  receipt: Uint8Array | Receipt, evidence: Digests, trust: Trust, checkFiles: CheckFiles | null = null,
): Promise<Report> {
  const run = new Run();
  const parsed = await run.step(1, () => parseDocuments(receipt));
  if (parsed === null) {
    return run.report(null, null, []);
  }
  const [document, record] = parsed;
  run.index = document.index;
  run.noEarliest = explainAbsence(document, record);
  await run.step(2, async () => {
    await checkFiles?.(document.record); // it names the file that differs
    return checkFile(evidence, record);
  });
  const isLogged = await run.step(3, () => checkPaths(document, record));
  const unpinned = trust.policy ? [] : describeUnpinned(document, trust.chainIds);
  await judgeAnchors(run, document, record, trust, unpinned);
  if (!isLogged) {
    run.proven.length = 0; // those anchors are someone's, but say nothing about this record
  }
  return run.report(document, record, unpinned);
}

/** Make steps 4 to 11 for each anchor by itself. */
async function judgeAnchors(
  run: Run, receipt: Receipt, record: Record, trust: Trust, unpinned: readonly Message[],
): Promise<void> {
  const { policy, chainIds, acceptUnpinned } = trust;
  const doubt = policy || acceptUnpinned ? null : doubtUnpinned(unpinned);
  let candidates: Candidate[];
  try {
    const [chosen, aside] = listCandidates(receipt, policy, chainIds);
    candidates = chosen;
    run.notes.push(...aside);
  } catch (error) {
    // A promise that nothing pins is not kept yet, and, which is graver, nobody's.
    run.fail(4, doubt && receipt.promise ? doubt : error);
    return;
  }
  for (const candidate of candidates) {
    const target = await run.step(4, () => chooseTarget(candidate, chainIds), doubt);
    if (target) {
      await (target.anchor?.state
        ? judgeByProof(run, target, target.anchor.state, record, trust)
        : judgeByNodes(run, target, record, trust));
    }
  }
}

async function judgeByProof(
  run: Run, target: Target, proof: StateProof, record: Record, trust: Trust,
): Promise<void> {
  const proven = await run.step(5, () => checkBlock(proof, target, trust.blockHashes, trust.connect));
  if (proven === null) {
    return;
  }
  const storageRoot = await run.step(6, () => checkProvenCode(proof, target, proven));
  if (storageRoot === null) {
    return;
  }
  const stored = await run.step(7, () => checkProvenAnchor(proof, target, proven, storageRoot));
  if (stored === null) {
    return;
  }
  const { header, assurance, isAsserted } = proven;
  const isNamed = run.noEarliest === null && proof.beacon !== null;
  await conclude(run, target, stored, record, header, assurance, isAsserted,
    () => checkProvenSubmitter(proof, target, stored, proven, storageRoot, trust.connect),
    isNamed ? () => checkEarliestTime(proof, target, stored, header, record) : null);
}

async function judgeByNodes(
  run: Run, target: Target, record: Record, { connect, blockHashes }: Trust,
): Promise<void> {
  const view = await run.step(5, async () => {
    if (connect === null) {
      throw cannotCheck(
        message("receipt-needs-node"), message("page-receipt-needs-node-hint"),
      );
    }
    return checkChain(await connect(target), target);
  });
  if (view === null) {
    return;
  }
  const named = listNamed(target, blockHashes);
  if (named !== "") {
    const registry = formatAddress(target.registry);
    run.notes.push(
      message("block-hashes-not-compared", { named, registry, chain: target.chainId }),
    );
  }
  const final = await run.step(6, () => checkCode(view, target));
  if (final === null) {
    return;
  }
  const stored = await run.step(7, () => checkAnchored(view, target, final));
  if (stored === null) {
    return;
  }
  await conclude(run, target, stored, record, final, wordOf(view), false,
    () => checkReadSubmitter(view, target, stored, final), null);
}

async function conclude(
  run: Run, target: Target, stored: Anchor, record: Record, final: Block, assurance: string,
  isAsserted: boolean, findSubmitter: () => Promise<Found<Submitter>>,
  findEarliest: (() => Found<number>) | null,
): Promise<void> {
  run.finality = isAsserted ? run.finality : finalityByDepth(target) ?? run.finality;
  const isAsStated = await run.step(8, () => checkDerived(target, stored));
  const submitter = await run.step(9, findSubmitter);
  const isReal = provesTime(kindOf(target.chainId));
  const bound = await run.step(10, () => checkTime(target, stored, record), null, isReal);
  const notBefore = findEarliest && await run.step(11, findEarliest, null, isReal);
  if (notBefore !== null) {
    run.notProven.push(message("report-age-not-proven"));
  }
  if (submitter !== null && submitter.standing === null) {
    run.notProven.push(UNKNOWN);
  }
  if (submitter !== null && submitter.note !== null) {
    run.notes.push(submitter.note);
  }
  if (isAsStated && submitter !== null && bound !== null) {
    run.proven.push({
      chainId: target.chainId,
      registry: target.registry,
      log: target.log,
      root: target.head.root,
      index: run.index,
      anchor: stored,
      submitter: submitter.key,
      finalBlockNumber: final.number,
      finalBlockHash: final.hash,
      notBefore,
      ...bound,
      assurance,
      isAsserted,
      finalAfter: isAsserted || target.finality === "finalized" ? null : target.finality,
    });
  }
}

// The steps without which those after them are not made.
const STOPPING = [1, 4, 5, 6, 7];

/** Collects the steps of one verification. */
class Run {
  private readonly steps: Step[] = [];
  readonly proven: ProvenAnchor[] = [];
  readonly notes: Message[] = [];
  readonly notProven: Message[] = [];
  index = 0;
  /** Why the receipt shows no earliest time, and step 11 is not made; null where it is. */
  noEarliest: Message | null = message("record-names-nothing-earlier");
  /** What treats the anchor's block as final, where that is the policy and not the nodes. */
  finality: Message | null = null;

  /**
   * Run one check; keep its refusal instead of throwing, so that other steps still run.  `doubt` is
   * the step's refusal where the check passes: its value is used all the same.  `provesTime` is false
   * for a time of a chain that proves no real time.
   */
  async step<Value>(
    number: number, check: () => Found<Value> | Promise<Found<Value>>, doubt: Refusal | null = null,
    provesTime = true,
  ): Promise<Value | null> {
    try {
      const [value, detail] = await check();
      this.add(number, doubt?.reason ?? detail, doubt, provesTime);
      return value;
    } catch (error) {
      this.fail(number, error);
      return null;
    }
  }

  /** Keep the refusal of a step; what is none is a bug. */
  fail(number: number, error: unknown): void {
    if (!isRefusal(error)) {
      throw error;
    }
    this.add(number, error.reason, error);
  }

  add(number: number, detail: Message, error: Refusal | null, provesTime = true): void {
    this.steps.push({ number, detail, error, provesTime });
  }

  report(receipt: Receipt | null, record: Record | null, unpinned: readonly Message[]): Report {
    const claims = CLAIMS.map(({ id, title, steps }) => {
      const [verdict, reason, isReal = true] = steps.length && !(id === "C5" && this.noEarliest)
        ? this.judgeBySteps(steps)
        : judgeWithoutSteps(id, record, this.noEarliest);
      const finality = id === "C3" && verdict === "pass" ? this.finality : null;
      return {
        id, title, verdict, provesTime: isReal,
        reason: finality ? message("claim-with-finality", { detail: reason, finality }) : reason,
      } satisfies Claim;
    });
    return {
      receipt, record, steps: this.steps, claims, proven: this.proven, unpinned,
      notes: unique(this.notes), notProven: unique(this.notProven), custody: null, notices: [],
      unmade: this.listUnmade(record),
    };
  }

  private listUnmade(record: Record | null): UnmadeStep[] {
    return STEPS.filter((number) => this.steps.every((step) => step.number !== number)).map((number) =>
      number === 11 && record && this.noEarliest
        ? { number, verdict: "not present", reason: this.noEarliest }
        : { number, verdict: "cannot tell", reason: this.explainUnmade(number) });
  }

  /** Say why a step was not made: the last step before it without which none is made. */
  private explainUnmade(number: number): Message {
    const failed = this.steps.filter((step) => step.error && STOPPING.includes(step.number) && step.number < number)
      .map((step) => step.number);
    return failed.length > 0
      ? message("step-not-made-after", { number, failed: Math.max(...failed) })
      : message("step-not-made", { number });
  }

  private judgeBySteps(needs: readonly number[]): [Verdict, Message, boolean?] {
    const mine = this.steps.filter((step) => needs.includes(step.number));
    const wrong = mine.filter((step): step is Step & { error: Refusal } => step.error !== null);
    const first = wrong.find((step) => verdictOf(step.error) === "fail") ?? wrong[0];
    if (first) {
      const { number, detail } = first;
      return [verdictOf(first.error), message("step-failed", { number, detail })];
    }
    const missing = needs.find((number) => !mine.some((step) => step.number === number));
    if (missing !== undefined) {
      return ["cannot tell", this.explainUnmade(missing)];
    }
    // Of several anchors, one whose chain proves real time decides.
    const decisive = mine.filter(({ number }) => number === needs.at(-1));
    const last = (decisive.filter((step) => step.provesTime).at(-1) ?? decisive.at(-1))!;
    return ["pass", last.detail, last.provesTime];
  }
}

function judgeWithoutSteps(id: string, record: Record | null, noEarliest: Message | null): [Verdict, Message, boolean?] {
  if (id === "C5") {
    return ["not present", noEarliest!];
  }
  if (id === "C7") {
    const hasAccount = record?.statements.some(isGroupName);
    return ["not present", hasAccount ? message("account-not-judged-here") : message("record-without-custody-account")];
  }
  if (id === "C8") {
    return ["cannot tell", message("receipt-shows-own-place")];
  }
  if (record === null) {
    return ["cannot tell", message("receipt-not-read")];
  }
  const ofFile = (["sha256", "sm3"] as const).filter((name) => record.digests[name] !== null);
  const algorithms = join(ofFile, "and");
  return ["pass", record.digests.sm3 === null
    ? message("algorithms-unbroken", { algorithms })
    : message("algorithms-unbroken-sm3-of-file", { algorithms })];
}
