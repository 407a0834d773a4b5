/** Steps 5, 6, 7 and 9 by the state proof in a receipt (anchor/verification/proof_steps.py). */

import { formatAddress, type Hex } from "./bytes.ts";
import { askStanding, checkProvenStanding, readStanding } from "./abandonment.ts";
import {
  type Block, type ChainView, checkOperator, type Connect, describeSubmitter, type Found, type Target,
} from "./steps.ts";
import { CANNOT_CHECK, cannotCheck, isRefusal, notAnchored, notFinal } from "./errors.ts";
import { type Header, parseHeader } from "./header.ts";
import { checkChain, fetchSubmitter } from "./node_steps.ts";
import type { Anchor } from "./storage.ts";
import { checkAccount, checkAnchor, checkSubmitter, type StateProof } from "./state_proof.ts";
import { Findings } from "./report.ts";

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
  const later = describeUnknownItems(header);
  const isPinned = target.blockHashes.includes(header.hash);
  const isNamed = named.includes(header.hash);
  if (isPinned || (isNamed && target.assurance !== "proof")) {
    const whose = isPinned ? "the policy names" : "you name";
    return [
      { header, assurance: isPinned ? "proof" : "asserted", isAsserted: true },
      `${shown}, is one that ${whose} as final; the chain's genesis block was not compared${later}`,
    ];
  }
  if (connect === null && isNamed) {
    throw cannotCheck(
      `the policy asks for the assurance 'proof', and for ${shown}, there is your word only`,
      "name several nodes to ask; or put the hash into the policy's block_hashes",
    );
  }
  if (connect === null) {
    throw cannotCheck(
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
  return [{ header, assurance, isAsserted: false }, `${chain}; ${shown}, is final to them${later}`];
}

function describeUnknownItems({ unknownItems }: Header): string {
  if (unknownItems === 0) {
    return "";
  }
  return unknownItems === 1
    ? "; 1 header item is of a fork that this release does not know; the block's hash covers them"
    : `; ${unknownItems} header items are of a fork that this release does not know; the block's hash covers them`;
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

/** Who anchored; `standing` says what is known of the owner since, `note` why nodes said nothing. */
export interface Submitter {
  readonly key: Hex;
  readonly standing: string | null;
  readonly note: string | null;
}

const describe = (stored: Anchor, submitter: Submitter): Found<Submitter> => {
  const { key, standing } = submitter;
  return [submitter, describeSubmitter(stored.operatorId, key) + (standing ? `; ${standing}` : "")];
};

/** Step 9: return who anchored, proven, if it is accepted and the owner stands by the anchor. */
export async function checkProvenSubmitter(
  proof: StateProof, target: Target, stored: Anchor, proven: ProvenBlock, storageRoot: Hex,
  connect: Connect | null,
): Promise<Found<Submitter>> {
  const { registry, log } = target;
  // Of several findings the gravest counts: a key that is not proven must not hide an abandonment.
  const findings = new Findings();
  await findings.make(() => checkOperator(target, stored));
  const key = await findings.make(
    () => checkSubmitter(proof, storageRoot, registry, log, stored.operatorId),
  );
  // The proof may be old: where nodes are at hand they are asked whether the owner still stands by it.
  const asked = connect && await findings.make(() => askStanding(target, stored, connect));
  const [newer, note] = asked ?? [null, null];
  const standing = await findings.make(() => {
    try {
      return checkProvenStanding(proof, target, stored, storageRoot, proven.header.number);
    } catch (error) {
      // It leaves open from where a closed log goes on: nodes that know of none are behind, or lie.
      if (!newer?.isClosed || !isRefusal(error, CANNOT_CHECK)) {
        throw error;
      }
      return newer.said;
    }
  });
  findings.settle();
  return describe(stored, { key: key!, standing: newer?.said ?? standing, note });
}

/** Step 9: the same, as nodes say. */
export async function checkReadSubmitter(
  view: ChainView, target: Target, stored: Anchor, final: Block,
): Promise<Found<Submitter>> {
  const findings = new Findings();
  const key = await findings.make(() => fetchSubmitter(view, target, stored, final));
  const standing = await findings.make(() => readStanding(view, target, stored, final));
  findings.settle();
  return describe(stored, { key: key!, standing: standing!.said, note: null });
}
