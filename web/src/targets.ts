/** Step 4: which anchors are looked up, and as whom the verifier pins them (anchor/verification/targets.py). */

import { formatAddress, type Hex } from "./bytes.ts";
import { numberOf, ownerOf, type Target } from "./steps.ts";
import { cannotCheck, notFinal, notTrusted, type Refusal } from "./errors.ts";
import type { Head, Receipt, ReceiptAnchor } from "./receipt.ts";
import { findChain, kindOf, REGISTRY, sentenceOf } from "./release.ts";
import { DEFAULT_TOLERANCE, type TrustEntry } from "./policy.ts";

/** One anchor, or (`anchor` null) a promised head, and what the policy says of its place. */
export interface Candidate {
  readonly log: Hex;
  readonly head: Head;
  readonly anchor: ReceiptAnchor | null;
  readonly entry: TrustEntry | null;
  readonly otherChains: readonly number[];
}

/** Return what may be looked up, each by itself, and a line about each anchor that is left aside. */
export function listCandidates(
  receipt: Receipt, policy: readonly TrustEntry[] | null, chainIds: readonly number[],
): [Candidate[], string[]] {
  const { log, promise, anchors } = receipt;
  const found: Candidate[] = [];
  const aside: string[] = [];
  const add = (head: Head, anchor: ReceiptAnchor | null, entry: TrustEntry | null) =>
    found.push({ log, head, anchor, entry, otherChains: [] });
  if (promise) {
    if (policy === null) {
      throw notFinal(
        "the receipt is the operator's promise: it names no anchor yet",
        "ask the operator for an upgraded receipt, or give a trust policy",
      );
    }
    pinnedEntries(policy, log).forEach((entry) => add(promise, null, entry));
  } else if (policy === null) {
    anchors.forEach((anchor) => add(anchor.head, anchor, null));
  } else {
    const entries = pinnedEntries(policy, log);
    for (const anchor of anchors) {
      const fitting = entries.filter(
        (entry) => entry.chainId === anchor.chainId && entry.registry === anchor.registry,
      );
      fitting.forEach((entry) => add(anchor.head, anchor, entry));
      if (fitting.length === 0) {
        aside.push(`${placeOf(anchor)} is left aside: the policy does not pin it`);
      }
    }
    if (found.length === 0) {
      throw notTrusted(
        `the receipt is anchored in ${anchors.map(placeOf).join(", ")}, which the policy does not pin`,
      );
    }
  }
  const places = promise ? found.map(chainOf) : anchors.map(({ chainId }) => chainId);
  return narrow(found, aside, chainIds, places);
}

/** Leave aside what is on chains that the verifier does not name, where any is named. */
function narrow(
  found: readonly Candidate[], aside: string[], chainIds: readonly number[], places: readonly number[],
): [Candidate[], string[]] {
  const isNamed = (chainId: number) => chainIds.length === 0 || chainIds.includes(chainId);
  const chosen = found.filter((candidate) => isNamed(chainOf(candidate)));
  for (const chainId of found.map(chainOf).filter((id) => !isNamed(id))) {
    aside.push(`chain ${chainId} is left aside: it is not one that you name`);
  }
  if (chosen.length === 0) {
    const on = [...new Set(places)].join(", ");
    const named = [...chainIds].sort((a, b) => a - b).join(", ");
    throw notTrusted(`the receipt is anchored on chain ${on}, and you name chain ${named} only`);
  }
  const chains = new Set(chosen.map(chainOf));
  return [
    chosen.map((candidate) => ({
      ...candidate, otherChains: [...chains].filter((id) => id !== chainOf(candidate)),
    })),
    [...new Set(aside)],
  ];
}

const placeOf = ({ registry, chainId }: ReceiptAnchor) => `registry ${formatAddress(registry)} on chain ${chainId}`;
const chainOf = ({ entry, anchor }: Candidate): number => (entry ?? anchor!).chainId;

function pinnedEntries(policy: readonly TrustEntry[], log: Hex): TrustEntry[] {
  const number = numberOf(log);
  const entries = policy.filter(
    (entry) => entry.owner === ownerOf(log) && entry.logs.some((accepted) => BigInt(accepted) === number),
  );
  if (entries.length === 0) {
    throw notTrusted(
      `log ${number} of owner ${formatAddress(ownerOf(log))} is not one the trust policy pins`,
      "check whose log this is before you pin another",
    );
  }
  return entries;
}

/** For one anchor: return what to look up. */
export function chooseTarget(candidate: Candidate, chainIds: readonly number[]): [Target, string] {
  const { entry, anchor } = candidate;
  const target = entry ? pinnedTarget(candidate, entry) : unpinnedTarget(candidate, anchor!, chainIds);
  const detail = entry
    ? "as pinned"
    : "not pinned, taken from the receipt; the registry is this release's own";
  return [target, detail + describeKind("; ", target.chainId)];
}

function unpinnedTarget(
  { log, head, otherChains }: Candidate, anchor: ReceiptAnchor, chainIds: readonly number[],
): Target {
  const { chainId, registry } = anchor;
  // The code alone proves nothing: a constructor can fill the storage as it likes and then return
  // our code.  The CREATE2 address commits to the constructor, too.
  if (registry !== REGISTRY) {
    throw notTrusted(
      `registry ${formatAddress(registry)} is not this release's registry, whose storage ` +
        "could not be filled at deployment",
      "if you checked how it was deployed, pin it in a trust policy",
    );
  }
  const chain = findChain(chainId);
  if (chain === null) {
    throw cannotCheck(`this release lists no registry on chain ${chainId}`, "pin it in a trust policy");
  }
  if (chain.kind !== "main" && !chainIds.includes(chainId)) {
    throw cannotCheck(
      `${describeKind("", chainId)}, and counts only where a trust policy or you name it`,
      `where it is the chain that you mean: name ${chainId} among the chains that count`,
    );
  }
  return {
    chainId, genesis: chain.genesis, registry, codeHash: chain.code, log, head, anchor, operators: null,
    timeSlack: null, recordedAtTolerance: DEFAULT_TOLERANCE, finality: "finalized", rpc: [], quorum: 1,
    assurance: "rpc", blockHashes: [], otherChains,
  };
}

function pinnedTarget({ log, head, anchor, otherChains }: Candidate, entry: TrustEntry): Target {
  const chain = findChain(entry.chainId);
  const listed = chain?.genesis ?? null;
  if (listed !== null && entry.genesis !== null && entry.genesis !== listed) {
    throw notTrusted(
      `the policy pins the genesis block 0x${entry.genesis} for chain ${entry.chainId}, and ` +
        `that of ${chain!.name} is 0x${listed}`,
      "check where the policy's genesis comes from",
    );
  }
  return { ...entry, log, head, anchor, otherChains, genesis: entry.genesis ?? listed };
}

/** Say what a chain that is no main one is worth. */
export function describeKind(before: string, chainId: number): string {
  const sentence = sentenceOf(kindOf(chainId));
  return sentence ? `${before}chain ${chainId} is ${sentence}` : "";
}

/** Return what is the receipt's own claim where no policy pins it. */
export function describeUnpinned({ log, anchors }: Receipt, chainIds: readonly number[]): string[] {
  const claimed = [...new Set(anchors.map(({ chainId }) => chainId))].filter((id) => !chainIds.includes(id));
  return [`the log's owner ${formatAddress(ownerOf(log))}`, ...claimed.map((chainId) => {
    const isNamed = ["main", "test"].includes(kindOf(chainId));
    return isNamed ? `chain ${chainId}, ${findChain(chainId)!.name}` : `chain ${chainId}`;
  })];
}

const NO_POLICY = "no trust policy: ";

/** Tell whether a step ended open for no more than the lack of a policy. */
export const isDoubt = (error: Refusal): boolean => error.message.startsWith(NO_POLICY);

/** Return what step 4 ends with where no policy is given, and its lack is not accepted. */
export function doubtUnpinned(unpinned: readonly string[]): Refusal {
  const claims = unpinned.length === 1 ? "is the receipt's own claim" : "are the receipt's own claims";
  return cannotCheck(
    `${NO_POLICY}${unpinned.join(", ")} ${claims}`,
    "give your trust policy, or tick that you accept what no policy pins",
  );
}
