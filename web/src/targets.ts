/** Step 4: which anchors are looked up, and as whom the verifier pins them (anchor/verification/targets.py). */

import { formatAddress, type Hex } from "./bytes.ts";
import { numberOf, ownerOf, type Target } from "./steps.ts";
import { CANNOT_CHECK, cannotCheck, notFinal, notTrusted, Refusal } from "./errors.ts";
import { join, message, type Message, unique } from "./messages.ts";
import type { Head, Receipt, ReceiptAnchor } from "./receipt.ts";
import { findChain, kindOf, nameOf, REGISTRY, sentenceOf } from "./release.ts";
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
): [Candidate[], Message[]] {
  const { log, promise, anchors } = receipt;
  const found: Candidate[] = [];
  const aside: Message[] = [];
  const add = (head: Head, anchor: ReceiptAnchor | null, entry: TrustEntry | null) =>
    found.push({ log, head, anchor, entry, otherChains: [] });
  if (promise) {
    if (policy === null) {
      throw notFinal(
        message("receipt-names-no-anchor"), message("receipt-names-no-anchor-hint"),
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
        aside.push(message("anchor-left-aside", { place: placeOf(anchor) }));
      }
    }
    if (found.length === 0) {
      const places = join(anchors.map(placeOf));
      throw notTrusted(message("receipt-registries-not-pinned", { places }));
    }
  }
  const places = promise ? found.map(chainOf) : anchors.map(({ chainId }) => chainId);
  return narrow(found, aside, chainIds, places);
}

/** Leave aside what is on chains that the verifier does not name, where any is named. */
function narrow(
  found: readonly Candidate[], aside: Message[], chainIds: readonly number[], places: readonly number[],
): [Candidate[], Message[]] {
  const isNamed = (chainId: number) => chainIds.length === 0 || chainIds.includes(chainId);
  const chosen = found.filter((candidate) => isNamed(chainOf(candidate)));
  for (const chainId of found.map(chainOf).filter((id) => !isNamed(id))) {
    aside.push(message("chain-left-aside", { chain: chainId }));
  }
  if (chosen.length === 0) {
    const [chains, named] = [[...new Set(places)], [...chainIds].sort((a, b) => a - b)]
      .map((ids) => join(ids.map(String)));
    throw notTrusted(message("receipt-on-other-chains", { chains: chains!, named: named! }));
  }
  const chains = new Set(chosen.map(chainOf));
  return [
    chosen.map((candidate) => ({
      ...candidate, otherChains: [...chains].filter((id) => id !== chainOf(candidate)),
    })),
    unique(aside),
  ];
}

const placeOf = ({ registry, chainId }: ReceiptAnchor): Message =>
  message("registry-on-chain", { registry: formatAddress(registry), chain: chainId });
const chainOf = ({ entry, anchor }: Candidate): number => (entry ?? anchor!).chainId;

function pinnedEntries(policy: readonly TrustEntry[], log: Hex): TrustEntry[] {
  const number = numberOf(log);
  const entries = policy.filter(
    (entry) => entry.owner === ownerOf(log) && entry.logs.some((accepted) => BigInt(accepted) === number),
  );
  if (entries.length === 0) {
    const owner = formatAddress(ownerOf(log));
    throw notTrusted(message("log-not-pinned", { number, owner }), message("log-not-pinned-hint"));
  }
  return entries;
}

/** For one anchor: return what to look up. */
export function chooseTarget(candidate: Candidate, chainIds: readonly number[]): [Target, Message] {
  const { entry, anchor } = candidate;
  const target = entry ? pinnedTarget(candidate, entry) : unpinnedTarget(candidate, anchor!, chainIds);
  const detail = entry ? message("target-as-pinned") : message("receipt-target-unpinned");
  const { chainId: chain } = target;
  const kind = sentenceOf(kindOf(chain));
  return [target, kind ? message("target-chain-kind", { detail, chain, kind }) : detail];
}

function unpinnedTarget(
  { log, head, otherChains }: Candidate, anchor: ReceiptAnchor, chainIds: readonly number[],
): Target {
  const { chainId, registry } = anchor;
  // The code alone proves nothing: a constructor can fill the storage as it likes and then return
  // our code.  The CREATE2 address commits to the constructor, too.
  if (registry !== REGISTRY) {
    throw notTrusted(
      message("registry-not-of-this-release", { registry: formatAddress(registry) }),
      message("registry-not-of-this-release-hint"),
    );
  }
  const chain = findChain(chainId);
  if (chain === null) {
    throw cannotCheck(
      message("chain-without-known-registry", { chain: chainId }),
      message("chain-without-known-registry-hint"),
    );
  }
  const kind = sentenceOf(chain.kind);
  if (kind && !chainIds.includes(chainId)) {
    throw cannotCheck(
      message("page-chain-not-named", { chain: chainId, kind }),
      message("page-chain-not-named-hint", { chain: chainId }),
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
      message("policy-genesis-differs", {
        pinned: entry.genesis,
        chain: entry.chainId,
        name: nameOf(chain!),
        expected: listed,
      }),
      message("policy-genesis-differs-hint"),
    );
  }
  return { ...entry, log, head, anchor, otherChains, genesis: entry.genesis ?? listed };
}

/** Return what is the receipt's own claim where no policy pins it. */
export function describeUnpinned({ log, anchors }: Receipt, chainIds: readonly number[]): Message[] {
  const claimed = [...new Set(anchors.map(({ chainId }) => chainId))].filter((id) => !chainIds.includes(id));
  const owner = message("log-owner-address", { address: formatAddress(ownerOf(log)) });
  return [owner, ...claimed.map((chain) => ["main", "test"].includes(kindOf(chain))
    ? message("chain-with-name", { chain, name: nameOf(findChain(chain)!) })
    : message("chain-by-number", { chain }))];
}

/** What step 4 ends with where no policy is given, and its lack is not accepted. */
export class Doubt extends Refusal {}

/** Return the doubt about what no policy pins. */
export function doubtUnpinned(unpinned: readonly Message[]): Doubt {
  const claims = join(unpinned);
  const document = message("document-receipt");
  return new Doubt(
    CANNOT_CHECK,
    unpinned.length === 1
      ? message("policy-missing-for-claim", { claims, document })
      : message("policy-missing-for-claims", { claims, document }),
    message("page-policy-missing-hint"),
  );
}
