/**
 * Verification as one numbered list: the steps of docs/verification.md, in the order and with the
 * words of anchor/verification/verifier.py.
 */

import { UNKNOWN } from "./abandonment.ts";
import type { Hex } from "./bytes.ts";
import {
  type Block, checkDerived, checkFile, checkPaths, checkTime, type Connect, type Found,
  parseDocuments, type Target,
} from "./steps.ts";
import { cannotCheck, isRefusal, type Refusal } from "./errors.ts";
import { checkAnchored, checkChain, checkCode, wordOf } from "./node_steps.ts";
import {
  checkBlock, checkProvenAnchor, checkProvenCode, checkProvenSubmitter, checkReadSubmitter,
  type Submitter,
} from "./proof_steps.ts";
import type { Receipt } from "./receipt.ts";
import type { Digests, Record } from "./record.ts";
import release from "./release.json" with { type: "json" };
import type { Anchor } from "./storage.ts";
import type { StateProof } from "./state_proof.ts";
import {
  type Candidate, chooseTarget, describeUnpinned, doubtUnpinned, listCandidates,
} from "./targets.ts";
import type { TrustEntry } from "./policy.ts";
import { type Claim, type ProvenAnchor, type Report, type Step, type Verdict, verdictOf } from "./report.ts";

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

/** Run every step that can be run, and report each claim's verdict with its reason. */
export async function judge(receipt: Uint8Array, evidence: Digests, trust: Trust): Promise<Report> {
  const run = new Run();
  const parsed = await run.step(1, () => parseDocuments(receipt));
  if (parsed === null) {
    return run.report(null, null, []);
  }
  const [document, record] = parsed;
  run.index = document.index;
  await run.step(2, () => checkFile(evidence, record));
  const isLogged = await run.step(3, () => checkPaths(document, record));
  const unpinned = trust.policy ? [] : describeUnpinned(document, trust.chainIds);
  await judgeAnchors(run, document, record, trust, unpinned);
  if (!isLogged) {
    run.proven.length = 0; // those anchors are someone's, but say nothing about this record
  }
  return run.report(document, record, unpinned);
}

/** Make steps 4 to 10 for each anchor by itself. */
async function judgeAnchors(
  run: Run, receipt: Receipt, record: Record, trust: Trust, unpinned: readonly string[],
): Promise<void> {
  const { policy, chainIds, acceptUnpinned } = trust;
  const doubt = policy || acceptUnpinned ? null : doubtUnpinned(unpinned);
  if (doubt && receipt.promise) {
    run.add(4, doubt.message, doubt);
  }
  let candidates: Candidate[];
  try {
    const [chosen, aside] = listCandidates(receipt, policy, chainIds);
    candidates = chosen;
    run.notes.push(...aside);
  } catch (error) {
    run.fail(4, error);
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
  await conclude(run, target, stored, record, header, assurance, isAsserted,
    () => checkProvenSubmitter(proof, target, stored, proven, storageRoot, trust.connect));
}

async function judgeByNodes(
  run: Run, target: Target, record: Record, { connect }: Trust,
): Promise<void> {
  const view = await run.step(5, async () => {
    if (connect === null) {
      throw cannotCheck(
        "the receipt holds no proof of the chain's state, so that a node has to be asked",
        "ask for an upgraded receipt, or name nodes to ask",
      );
    }
    return checkChain(await connect(target), target);
  });
  if (view === null) {
    return;
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
    () => checkReadSubmitter(view, target, stored, final));
}

async function conclude(
  run: Run, target: Target, stored: Anchor, record: Record, final: Block, assurance: string,
  isAsserted: boolean, findSubmitter: () => Promise<Found<Submitter>>,
): Promise<void> {
  const isAsStated = await run.step(8, () => checkDerived(target, stored));
  const submitter = await run.step(9, findSubmitter);
  const bound = await run.step(10, () => checkTime(target, stored, record));
  if (submitter !== null && submitter.standing === null) {
    run.notProven.add(UNKNOWN);
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
      ...bound,
      assurance,
      isAsserted,
    });
  }
}

/** Collects the steps of one verification. */
class Run {
  private readonly steps: Step[] = [];
  readonly proven: ProvenAnchor[] = [];
  readonly notes: string[] = [];
  readonly notProven = new Set<string>();
  index = 0;

  /**
   * Run one check; keep its refusal instead of throwing, so that other steps still run.  `doubt` is
   * the step's refusal where the check passes: its value is used all the same.
   */
  async step<Value>(
    number: number, check: () => Found<Value> | Promise<Found<Value>>, doubt: Refusal | null = null,
  ): Promise<Value | null> {
    try {
      const [value, detail] = await check();
      this.add(number, doubt?.message ?? detail, doubt);
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
    this.add(number, error.message, error);
  }

  add(number: number, detail: string, error: Refusal | null): void {
    this.steps.push({ number, detail, error });
  }

  report(receipt: Receipt | null, record: Record | null, unpinned: readonly string[]): Report {
    const claims = release.claims.map(({ id, title, steps }) => {
      const [verdict, reason] = steps.length
        ? this.judgeBySteps(steps)
        : judgeWithoutSteps(id, record);
      return { id, title, verdict, reason } satisfies Claim;
    });
    return {
      receipt, record, steps: this.steps, claims, proven: this.proven, unpinned,
      notes: [...new Set(this.notes)], notProven: [...this.notProven],
    };
  }

  private judgeBySteps(needs: readonly number[]): [Verdict, string] {
    const mine = this.steps.filter((step) => needs.includes(step.number));
    const wrong = mine.filter((step): step is Step & { error: Refusal } => step.error !== null);
    const first = wrong.find((step) => verdictOf(step.error) === "fail") ?? wrong[0];
    if (first) {
      return [verdictOf(first.error), `step ${first.number}: ${first.detail}`];
    }
    const missing = needs.find((number) => !mine.some((step) => step.number === number));
    if (missing !== undefined) {
      return ["cannot tell", `step ${missing} could not be made`];
    }
    return ["pass", mine.at(-1)!.detail];
  }
}

function judgeWithoutSteps(id: string, record: Record | null): [Verdict, string] {
  if (id === "C5") {
    return ["not present", "the record names nothing that did not exist before it"];
  }
  if (id === "C7") {
    return ["not present", "the record holds no account of that"];
  }
  if (id === "C8") {
    return [
      "cannot tell", "a receipt shows its own place only; `anchor audit` reads the whole log",
    ];
  }
  if (record === null) {
    return ["cannot tell", "the receipt could not be read"];
  }
  const ofFile = (["sha256", "sm3"] as const).filter((name) => record.digests[name] !== null);
  const names = ofFile.join(" and ");
  const only = record.digests.sm3 === null ? "" : "sm3 covers the file only, ";
  return ["pass", `${names} of the file, sha256 in the log, keccak256 on the chain: none known to this ` +
    `release to be broken; ${only}the log rests on sha256 alone, and nothing was renewed`];
}
