/** Step 4, for each anchor by itself: is it one that counts, and what is to be looked up of it. */

import { formatAddress, type Hex } from "./bytes.ts";
import { numberOf, ownerOf, type Target } from "./checks.ts";
import { cannotCheck, notFinal, notTrusted, type Refusal } from "./errors.ts";
import type { Receipt, ReceiptAnchor } from "./receipt.ts";
import { expectedCodeHash, findChain, kindOf, REGISTRY } from "./release.ts";
import { DEFAULT_TOLERANCE, type TrustEntry } from "./trust.ts";

/** What the verifier chose to rely on; nothing of it comes from the receipt. */
export interface Pins {
  readonly policy: readonly TrustEntry[] | null;
  /** The chains that the verifier names; none: whichever. */
  readonly chainIds: readonly number[];
  /** Take chain and owner as the receipt names them. */
  readonly acceptUnpinned: boolean;
}

/** How step 4 went for one anchor; `target` null ends the others for it. */
export interface Choice {
  readonly target: Target | null;
  readonly detail: string;
  readonly error: Refusal | null;
}

/** Return a choice for each anchor, or for each place where the promised head may be anchored. */
export function chooseTargets(receipt: Receipt, pins: Pins): Choice[] {
  const choices = pins.policy === null
    ? chooseUnpinned(receipt, pins)
    : choosePinned(receipt, pins.policy, pins.chainIds);
  const chains = choices.flatMap(({ target }) => target?.chainId ?? []);
  return choices.map(({ target, ...choice }) => ({
    ...choice, target: target && { ...target, otherChains: chains.filter((id) => id !== target.chainId) },
  }));
}

function chooseUnpinned({ log, promise, anchors }: Receipt, { chainIds, acceptUnpinned }: Pins): Choice[] {
  const choices: Choice[] = [];
  if (promise) {
    choices.push(refuse(notFinal(
      "the receipt is the operator's promise: it names no anchor yet",
      "ask the operator for an upgraded receipt, or give a trust policy",
    )));
    if (!acceptUnpinned) {
      choices.push(refuse(unpinned(`the log's owner ${formatAddress(ownerOf(log))} is the receipt's own claim`)));
    }
    return choices;
  }
  for (const anchor of anchors) {
    choices.push(isAside(anchor, chainIds) ?? chooseAnchor(anchor, log, chainIds, acceptUnpinned));
  }
  if (choices.every(({ target, error }) => !target && !error)) {
    choices.push(refuse(noneLeft(anchors)));
  }
  return choices;
}

function isAside({ chainId }: ReceiptAnchor, chainIds: readonly number[]): Choice | null {
  return chainIds.length === 0 || chainIds.includes(chainId)
    ? null
    : { target: null, detail: `left aside: chain ${chainId} is none that you name`, error: null };
}

function chooseAnchor(
  anchor: ReceiptAnchor, log: Hex, chainIds: readonly number[], acceptUnpinned: boolean,
): Choice {
  const { chainId, registry } = anchor;
  // The code alone proves nothing: a constructor can fill the storage as it likes and then return
  // our code.  The CREATE2 address commits to the constructor, too.
  if (registry !== REGISTRY) {
    return refuse(notTrusted(
      `registry ${formatAddress(registry)} is not this release's registry, whose storage ` +
        "could not be filled at deployment",
      "if you checked how it was deployed, pin it in a trust policy",
    ));
  }
  const chain = findChain(chainId);
  if (chain === null) {
    return refuse(cannotCheck(
      `this release lists no registry on chain ${chainId}`, "pin it in a trust policy",
    ));
  }
  if (["test", "development"].includes(kindOf(chainId)) && !chainIds.includes(chainId)) {
    return refuse(cannotCheck(
      `chain ${chainId} counts only where a trust policy or you name it`,
    ));
  }
  const target: Target = {
    chainId,
    genesis: chain.genesis,
    registry,
    codeHash: expectedCodeHash(chainId),
    log,
    head: anchor.head,
    anchor,
    operators: null,
    timeSlack: null,
    recordedAtTolerance: DEFAULT_TOLERANCE,
    finality: "finalized",
    rpc: [],
    quorum: 1,
    assurance: "rpc",
    blockHashes: [],
    otherChains: [],
  };
  if (acceptUnpinned) {
    return {
      target, error: null,
      detail: "not pinned, taken from the receipt; the registry is this release's own",
    };
  }
  const owner = formatAddress(ownerOf(log));
  const error = unpinned(`chain ${chainId}, the log's owner ${owner} are the receipt's own claims`);
  return { target, detail: error.message, error };
}

function choosePinned(
  { log, promise, anchors }: Receipt, policy: readonly TrustEntry[], chainIds: readonly number[],
): Choice[] {
  const number = numberOf(log);
  const entries = policy.filter(
    (entry) => entry.owner === ownerOf(log) && entry.logs.some((accepted) => BigInt(accepted) === number),
  );
  if (entries.length === 0) {
    return [refuse(notTrusted(
      `log ${number} of owner ${formatAddress(ownerOf(log))} is not one the trust policy pins`,
      "check whose log this is before you pin another",
    ))];
  }
  const isNamed = ({ chainId }: TrustEntry) => chainIds.length === 0 || chainIds.includes(chainId);
  const choices = promise
    ? entries.filter(isNamed).map((entry) => choosePin(entry, log, { head: promise, anchor: null }))
    : anchors.flatMap((anchor) => entries
        .filter((entry) => isNamed(entry) && entry.chainId === anchor.chainId && entry.registry === anchor.registry)
        .map((entry) => choosePin(entry, log, { head: anchor.head, anchor })));
  return choices.length > 0 ? choices : [refuse(noneLeft(anchors))];
}

function choosePin(entry: TrustEntry, log: Hex, what: Pick<Target, "head" | "anchor">): Choice {
  const pinned = findChain(entry.chainId)?.genesis ?? null;
  if (pinned !== null && entry.genesis !== null && entry.genesis !== pinned) {
    return refuse(notTrusted(
      `the trust policy's genesis of chain ${entry.chainId} is 0x${entry.genesis}, that of the chain ` +
        `that this release lists is 0x${pinned}`,
    ));
  }
  const target = { ...entry, ...what, log, genesis: entry.genesis ?? pinned, otherChains: [] };
  return { target, detail: "as pinned", error: null };
}

const refuse = (error: Refusal): Choice => ({ target: null, detail: error.message, error });

const unpinned = (what: string) => cannotCheck(
  `no trust policy: ${what}`, "give a trust policy, or tick that you accept what no policy pins",
);

function noneLeft(anchors: readonly ReceiptAnchor[]): Refusal {
  const places = anchors.map(
    (anchor) => `registry ${formatAddress(anchor.registry)} on chain ${anchor.chainId}`,
  );
  return notTrusted(`the receipt is anchored in ${places.join(", ")}, which the policy does not pin`);
}
