/** Steps 5, 6, 7 and 9 by the state proof in a receipt (anchor/proofchecks.py). */

import { formatAddress, type Hex } from "./bytes.ts";
import { checkOperator, type Connect, describeSubmitter, type Found, type Target } from "./checks.ts";
import { cannotCheck, notAnchored, notFinal } from "./errors.ts";
import { type Header, parseHeader } from "./header.ts";
import { checkChain, tooLittle } from "./nodechecks.ts";
import type { Anchor } from "./slots.ts";
import { ASSURANCES } from "./trust.ts";
import { checkAccount, checkAnchor, checkSubmitter, type StateProof } from "./stateproof.ts";

/** A block whose hash somebody answers for; `isAsserted`: the verifier, not nodes. */
export interface ProvenBlock {
  readonly header: Header;
  readonly assurance: string;
  readonly isAsserted: boolean;
}

/** Step 5: find who answers for the hash of the proof's block, as one that is final. */
export async function checkBlock(
  proof: StateProof, target: Target, named: readonly Hex[], connect: Connect | null,
): Promise<Found<ProvenBlock>> {
  const header = parseHeader(proof.header);
  const shown = `block ${header.number}, 0x${header.hash}`;
  const isPinned = target.blockHashes.includes(header.hash);
  const isNamed = named.includes(header.hash);
  // A hash that stands beside the receipt may come from whoever gave the receipt.
  const isEnough = ASSURANCES.indexOf("asserted") >= ASSURANCES.indexOf(target.assurance);
  if (isPinned || (isNamed && isEnough)) {
    const whose = isPinned ? "the policy names" : "you name";
    return [
      { header, assurance: isPinned ? "proof" : "asserted", isAsserted: true },
      `${shown}, is one that ${whose} as final; its chain's genesis block was not compared`,
    ];
  }
  if (connect === null) {
    throw isNamed ? tooLittle(target, "asserted") : cannotCheck(
      `nobody answers for ${shown}, by which the receipt proves its anchor`,
      "if block explorers show this hash for a final block, name it above; or name nodes to ask",
    );
  }
  const view = await connect(target);
  const assurance = view.needed === 1 ? "rpc" : "proof";
  const [, chain] = await checkChain(view, target, assurance);
  const final = await view.fetchFinalBlock(target.finality);
  if (header.number > final.number) {
    throw notFinal(
      `the receipt proves its anchor by ${shown}, and to the nodes block ${final.number} is the ` +
        "newest that is final",
      "verify again once they have caught up",
    );
  }
  const there = await view.fetchBlock(Number(header.number));
  if (there.hash !== header.hash) {
    throw cannotCheck(
      `the receipt proves its anchor by ${shown}, and to the nodes that block is 0x${there.hash}`,
      "one side is on a fork, or wrong: ask other nodes, or for an upgraded receipt",
    );
  }
  return [{ header, assurance, isAsserted: false }, `${chain}; ${shown}, is final to them`];
}

/** Step 6: prove the registry's account and its code; return its storage root. */
export function checkProvenCode(proof: StateProof, target: Target, proven: ProvenBlock): Found<Hex> {
  const { hash, number } = proven.header;
  const storageRoot = checkAccount(proof, hash, target.registry, target.codeHash);
  const where = `${formatAddress(target.registry)} in block ${number}`;
  return [storageRoot, `code hash 0x${target.codeHash.slice(0, 16)}… proven at ${where}`];
}

/** Step 7: prove the root's anchor in the registry's storage. */
export function checkProvenAnchor(
  proof: StateProof, target: Target, proven: ProvenBlock, storageRoot: Hex,
): Found<Anchor> {
  const { header } = proven;
  const { registry, log, head } = target;
  const anchor = checkAnchor(proof, storageRoot, header, registry, log, head.root);
  if (anchor === null) {
    throw notAnchored(
      `the receipt's own proof shows that the registry ${formatAddress(registry)} does not hold ` +
        `root ${head.root} in block ${header.number}`,
    );
  }
  const how = proven.isAsserted ? "final, as is asserted and not observed" : "final";
  return [anchor, `proven in block ${header.number}, which is ${how}`];
}

/** Step 9: return the address behind the anchor's operator id, proven, if it is accepted. */
export function checkProvenSubmitter(
  proof: StateProof, target: Target, stored: Anchor, storageRoot: Hex,
): Found<Hex> {
  checkOperator(target, stored);
  const { registry, log } = target;
  const key = checkSubmitter(proof, storageRoot, registry, log, stored.operatorId);
  return [key, describeSubmitter(stored.operatorId, key)];
}
