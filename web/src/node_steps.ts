/** Steps 5, 6, 7 and 9 by what nodes say (anchor/verification/steps.py). */

import { formatAddress, type Hex } from "./bytes.ts";
import {
  type Block, type ChainView, checkOperator, type Found, ownerOf, type Target,
} from "./steps.ts";
import { cannotCheck, notAnchored, notFinal, notTrusted } from "./errors.ts";
import { type Anchor, anchorSlot, decodeAnchor, decodeKey, operatorKeySlot } from "./storage.ts";
import { ASSURANCES } from "./policy.ts";

const MORE_ASSURANCE: { readonly [name: string]: string } = {
  quorum: "name more nodes, and how many of them have to agree",
  asserted: "it takes a receipt with a state proof, and a block hash or several nodes",
  proof: "it takes a receipt with a state proof, and several nodes or a hash in the policy",
};

/** Return what the view's answers amount to. */
export const wordOf = (view: ChainView): string => (view.needed === 1 ? "rpc" : "quorum");

/** Step 5: compare the node's chain id, and its genesis block where that is pinned. */
export async function checkChain(
  view: ChainView, target: Target, reached = wordOf(view),
): Promise<Found<ChainView>> {
  if (ASSURANCES.indexOf(reached) < ASSURANCES.indexOf(target.assurance)) {
    throw cannotCheck(
      `the policy asks for the assurance '${target.assurance}', and this is '${reached}'`,
      MORE_ASSURANCE[target.assurance],
    );
  }
  if (view.needed > 1) {
    await view.fetchFinalBlock(target.finality); // leaves out nodes of other chains, and names them
  }
  const chainId = await view.fetchChainId();
  if (chainId !== BigInt(target.chainId)) {
    throw notTrusted(
      `the node is on chain ${chainId}, not on chain ${target.chainId}`,
      "name a node of the right chain",
    );
  }
  if (target.genesis === null) {
    return [view, `chain ${chainId}; its genesis block is not pinned`];
  }
  const genesis = await view.fetchGenesis();
  if (genesis !== target.genesis) {
    throw notTrusted(
      `the node's genesis block is 0x${genesis}, and that of chain ${chainId} is ` +
        `0x${target.genesis}: another chain with the same chain id`,
    );
  }
  return [view, `chain ${chainId}, genesis 0x${genesis.slice(0, 16)}…`];
}

/** Step 6: compare the registry's code hash in the newest final block; return that block. */
export async function checkCode(view: ChainView, target: Target): Promise<Found<Block>> {
  const final = await view.fetchFinalBlock(target.finality);
  const where = `${formatAddress(target.registry)} in final block ${final.number}`;
  const codeHash = await view.fetchCodeHash(target.registry, final);
  if (codeHash === target.codeHash) {
    return [final, `code hash 0x${codeHash.slice(0, 16)}… at ${where}`];
  }
  const answers = await view.fetchLatestCodeHash(target.registry);
  checkReached(view, target, answers);
  for (const [latest, newest] of answers) {
    if (newest === target.codeHash) {
      throw notFinal(
        `the registry ${formatAddress(target.registry)} is deployed, but not in a final block yet ` +
          `(final: ${final.number}, latest: ${latest.number})`,
      );
    }
  }
  throw notTrusted(`the code at ${where} has hash 0x${codeHash}, not the pinned 0x${target.codeHash}`);
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
      throw cannotCheck("the node shows an anchor later than the block it was read at");
    }
    return [stored, `read at final block ${final.number}, 0x${final.hash}`];
  }
  const answers = await view.fetchLatestStorage(target.registry, slot);
  checkReached(view, target, answers);
  for (const [, held] of answers) {
    const pending = decodeAnchor(held);
    if (pending) {
      throw notFinal(
        `included in block ${pending.blockNumber}, which is not final yet (final: ${final.number})`,
        "verify again once it is; until then a reorganisation can undo it",
      );
    }
  }
  if (target.anchor === null) {
    throw notFinal(
      "the receipt is the operator's promise: the registry does not hold its head of size " +
        target.head.size,
      "ask for an upgraded receipt: `anchor upgrade`",
    );
  }
  throw notAnchored(
    `the registry ${formatAddress(target.registry)} does not hold root ${target.head.root} for ` +
      `log 0x${target.log}`,
  );
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
    throw cannotCheck(
      `the node has reached block ${latest[0]!.number} of time ${latest[0]!.timestamp}, the ` +
        `receipt's anchor is in block ${anchor.blockNumber} of time ${anchor.timestamp}`,
      "wait until the node is in step with its chain, or ask another",
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
    throw cannotCheck(`the node shows no key for operator ${operatorId}`);
  }
  return key;
}
