/** Steps 5, 6, 7 and 9 by what nodes say (anchor/verification/steps.py). */

import { formatAddress, type Hex } from "./bytes.ts";
import {
  type Block, type ChainView, checkOperator, finalityByDepth, type Found, ownerOf, type Target,
} from "./steps.ts";
import { cannotCheck, notAnchored, notFinal, notTrusted } from "./errors.ts";
import { message, type Message } from "./messages.ts";
import { type Anchor, anchorSlot, decodeAnchor, decodeKey, operatorKeySlot } from "./storage.ts";
import { ASSURANCES } from "./policy.ts";

const MORE_ASSURANCE: { readonly [name: string]: Message } = {
  quorum: message("page-assurance-quorum-hint"),
  asserted: message("assurance-asserted-hint"),
  proof: message("assurance-proof-hint"),
};

/** Return what the view's answers amount to. */
export const wordOf = (view: ChainView): string => (view.needed === 1 ? "rpc" : "quorum");

/** Step 5: compare the node's chain id, and its genesis block where that is pinned. */
export async function checkChain(
  view: ChainView, target: Target, reached = wordOf(view),
): Promise<Found<ChainView>> {
  if (ASSURANCES.indexOf(reached) < ASSURANCES.indexOf(target.assurance)) {
    throw cannotCheck(
      message("policy-assurance-not-reached", { required: target.assurance, reached }),
      MORE_ASSURANCE[target.assurance],
    );
  }
  if (view.needed > 1) {
    await view.fetchFinalBlock(target.finality); // leaves out nodes of other chains, and names them
  }
  const chainId = await view.fetchChainId();
  if (chainId !== BigInt(target.chainId)) {
    throw notTrusted(
      message("chain-number-differs", { actual: chainId, expected: target.chainId }),
      message("page-node-of-right-chain-hint"),
    );
  }
  if (target.genesis === null) {
    return [view, message("chain-genesis-not-pinned", { chain: chainId })];
  }
  const genesis = await view.fetchGenesis();
  if (genesis !== target.genesis) {
    const expected = target.genesis;
    throw notTrusted(message("chain-genesis-differs", { actual: genesis, chain: chainId, expected }));
  }
  const short = genesis.slice(0, 16);
  return [view, message("chain-with-genesis", { chain: chainId, genesis: short })];
}

/** Step 6: compare the registry's code hash in the newest final block; return that block. */
export async function checkCode(view: ChainView, target: Target): Promise<Found<Block>> {
  const final = await view.fetchFinalBlock(target.finality);
  const registry = formatAddress(target.registry);
  const place = target.finality === "finalized"
    ? message("registry-in-final-block", { registry, block: final.number })
    : message("registry-in-block", { registry, block: final.number });
  const codeHash = await view.fetchCodeHash(target.registry, final);
  if (codeHash === target.codeHash) {
    const hash = codeHash.slice(0, 16);
    return [final, message("registry-code-read", { hash, place })];
  }
  const answers = await view.fetchLatestCodeHash(target.registry);
  checkReached(view, target, answers);
  for (const [latest, newest] of answers) {
    if (newest === target.codeHash) {
      throw notFinal(message("registry-not-final-yet", {
        registry,
        final: final.number,
        latest: latest.number,
      }));
    }
  }
  const expected = target.codeHash;
  throw notTrusted(message("registry-code-not-pinned", { place, actual: codeHash, expected }));
}

/** Step 7: read the root's anchor from the registry's storage in the final block. */
export async function checkAnchored(
  view: ChainView, target: Target, final: Block,
): Promise<Found<Anchor>> {
  const slot = anchorSlot(target.log, target.head.root);
  const stored = decodeAnchor(await view.fetchStorage(target.registry, slot, final));
  if (stored) {
    // Not the number: on some rollups the registry's block.number is the parent chain's.
    if (stored.timestamp > final.timestamp) {
      throw cannotCheck(message("node-anchor-later-than-block"));
    }
    const { number: block, hash } = final;
    const finality = finalityByDepth(target);
    return [stored, finality
      ? message("anchor-read-in-treated-block", { block, hash, finality })
      : message("anchor-read-in-block", { block, hash })];
  }
  const answers = await view.fetchLatestStorage(target.registry, slot);
  checkReached(view, target, answers);
  for (const [, held] of answers) {
    const pending = decodeAnchor(held);
    if (pending) {
      throw notFinal(
        message("anchor-included-not-final", { block: pending.blockNumber, final: final.number }),
        message("anchor-included-not-final-hint"),
      );
    }
  }
  if (target.anchor === null) {
    throw notFinal(
      message("receipt-promise-not-anchored", { size: target.head.size }),
      message("receipt-upgrade-hint"),
    );
  }
  const { log, head: { root } } = target;
  const registry = formatAddress(target.registry);
  throw notAnchored(message("registry-lacks-root", { registry, root, log }));
}

/** See that as many nodes as have to agree know the block that the receipt names. */
function checkReached(view: ChainView, target: Target, answers: readonly [Block, Hex][]): void {
  const { anchor } = target;
  if (anchor === null) {
    return;
  }
  // By the time first: the registry's numbers may be the parent chain's.
  const latest = answers.map(([block]) => block).sort((a, b) => Number(b.number) - Number(a.number));
  const reached = latest.filter(({ timestamp, number }) =>
    timestamp > anchor.timestamp || (timestamp === anchor.timestamp && number >= anchor.blockNumber));
  if (reached.length < view.needed) {
    const newest = latest[0]!;
    throw cannotCheck(
      message("node-behind-anchor", {
        block: newest.number,
        time: newest.timestamp,
        anchor_block: anchor.blockNumber,
        anchor_time: anchor.timestamp,
      }),
      message("node-behind-anchor-hint"),
    );
  }
}

/** Return the address behind the anchor's operator id, if the policy accepts it. */
export async function fetchSubmitter(
  view: ChainView, target: Target, stored: Anchor, final: Block,
): Promise<Hex> {
  checkOperator(target, stored);
  const { operatorId } = stored;
  const slot = operatorKeySlot(target.log, operatorId);
  const key = operatorId === 0n
    ? ownerOf(target.log)
    : decodeKey(await view.fetchStorage(target.registry, slot, final));
  if (key === null) {
    throw cannotCheck(message("operator-key-missing", { operator: operatorId }));
  }
  return key;
}
