/**
 * Verification as one numbered list: the steps of docs/verification.md, in the order and with the
 * words of anchor/verify.py.
 */

import { formatAddress, type Hex } from "./bytes.ts";
import {
  type Block, checkDerived, checkFile, checkPaths, type Connect, type Found, latestTime, ownerOf,
  parseDocuments, type Target,
} from "./checks.ts";
import { cannotCheck, isRefusal, type Refusal } from "./errors.ts";
import { checkAnchored, checkChain, checkCode, checkSubmitter, wordOf } from "./nodechecks.ts";
import {
  checkBlock, checkProvenAnchor, checkProvenCode, checkProvenSubmitter,
} from "./proofchecks.ts";
import type { Receipt } from "./receipt.ts";
import type { Digests, Record } from "./record.ts";
import release from "./release.json" with { type: "json" };
import type { Anchor } from "./slots.ts";
import type { StateProof } from "./stateproof.ts";
import { checkProvenSuccession, checkSuccession } from "./succession.ts";
import { chooseTargets, type Pins } from "./targets.ts";
import { type Claim, type ProvenAnchor, type Report, type Step, type Verdict, verdictOf } from "./verdict.ts";

/** What the verifier brings: nothing of it comes from the receipt. */
export interface Trust extends Pins {
  /** Null: no node is asked. */
  readonly connect: Connect | null;
  /** Final blocks, as the verifier knows from elsewhere. */
  readonly blockHashes: readonly Hex[];
}

/** Run every step that can be run, and report each claim's verdict with its reason. */
export async function judge(receipt: Uint8Array, evidence: Digests, trust: Trust): Promise<Report> {
  const run = new Run();
  const parsed = await run.step(1, () => parseDocuments(receipt));
  if (parsed === null) {
    return run.report(null, null, []);
  }
  const [document, record] = parsed;
  await run.step(2, () => checkFile(evidence, record));
  const isLogged = await run.step(3, () => checkPaths(document));
  for (const { target, detail, error } of chooseTargets(document, trust)) {
    run.note(4, detail, error);
    if (target) {
      await (target.anchor?.state
        ? judgeByProof(run, target, target.anchor.state, record, trust)
        : judgeByNodes(run, target, record, trust));
    }
  }
  if (!isLogged) {
    run.proven.length = 0; // those anchors are someone's, but say nothing about this record
  }
  return run.report(document, record, trust.policy ? [] : describeUnpinned(document));
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
  await conclude(run, target, stored, record, header, assurance, isAsserted, async () => {
    const [key, who] = checkProvenSubmitter(proof, target, stored, storageRoot);
    return [key, `${who}${await checkProvenSuccession(proof, target, stored, storageRoot, header.number, trust.connect)}`];
  });
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
  await conclude(run, target, stored, record, final, wordOf(view), false, async () => {
    const [key, who] = await checkSubmitter(view, target, stored, final);
    return [key, `${who}${await checkSuccession(view, target, stored, final)}`];
  });
}

async function conclude(
  run: Run, target: Target, stored: Anchor, record: Record, final: Block, assurance: string,
  isAsserted: boolean, findSubmitter: () => Promise<Found<Hex>>,
): Promise<void> {
  const isAsStated = await run.step(8, () => checkDerived(target, stored));
  const submitter = await run.step(9, findSubmitter);
  const existedBy = await run.step(10, () => latestTime(stored.timestamp, target, record.recordedAt));
  if (isAsStated && submitter !== null && existedBy !== null) {
    run.proven.push({
      chainId: target.chainId,
      registry: target.registry,
      log: target.log,
      root: target.head.root,
      anchor: stored,
      submitter,
      finalBlockNumber: final.number,
      finalBlockHash: final.hash,
      existedBy,
      assurance,
      isAsserted,
    });
  }
}

const describeUnpinned = ({ log, anchors }: Receipt): string[] => [
  `the log's owner ${formatAddress(ownerOf(log))}`,
  ...anchors.map(
    ({ chainId, registry }) => `chain ${chainId} and registry ${formatAddress(registry)}`,
  ),
];

/** Collects the steps of one verification. */
class Run {
  private readonly steps: Step[] = [];
  readonly proven: ProvenAnchor[] = [];

  /** Run one check; keep its refusal instead of throwing, so that other steps still run. */
  async step<Value>(
    number: number, check: () => Found<Value> | Promise<Found<Value>>,
  ): Promise<Value | null> {
    try {
      const [value, detail] = await check();
      this.note(number, detail, null);
      return value;
    } catch (error) {
      if (!isRefusal(error)) {
        throw error;
      }
      this.note(number, error.message, error);
      return null;
    }
  }

  note(number: number, detail: string, error: Refusal | null): void {
    this.steps.push({ number, detail, error });
  }

  report(receipt: Receipt | null, record: Record | null, unpinned: readonly string[]): Report {
    const claims = release.claims.map(({ id, title, steps }) => {
      const [verdict, reason] = steps.length
        ? this.judgeBySteps(steps)
        : judgeWithoutSteps(id, record);
      return { id, title, verdict, reason } satisfies Claim;
    });
    return { receipt, record, steps: this.steps, claims, proven: this.proven, unpinned };
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
  return ["pass", `${names} of the file, sha256 in the log, keccak256 on the chain: to this release none is known to be broken`];
}
