/** Steps 5, 6, 7 and 9 by the state proof in a receipt (anchor/verification/proof_steps.py). */

import { formatAddress, type Hex } from "./bytes.ts";
import { askStanding, checkProvenStanding, readStanding } from "./abandonment.ts";
import {
  type Block, type ChainView, checkOperator, type Connect, describeSubmitter, finalityByDepth, type Found, type Target,
} from "./steps.ts";
import { CANNOT_CHECK, cannotCheck, isRefusal, notAnchored, notFinal } from "./errors.ts";
import { type Header, parseHeader } from "./header.ts";
import { join, message, type Message, type Text } from "./messages.ts";
import { checkChain, fetchSubmitter } from "./node_steps.ts";
import type { Anchor } from "./storage.ts";
import { checkAccount, checkAnchor, checkSubmitter, type StateProof } from "./state_proof.ts";
import { Findings } from "./report.ts";

// A policy may name a thousand hashes.
const SHOWN_HASHES = 3;

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
  const block = message("block-with-hash", { number: header.number, hash: header.hash });
  const isPinned = target.blockHashes.includes(header.hash);
  const isNamed = named.includes(header.hash);
  if (isPinned || (isNamed && target.assurance !== "proof")) {
    const source = isPinned ? message("block-source-policy") : message("block-source-you");
    return [
      { header, assurance: isPinned ? "proof" : "asserted", isAsserted: true },
      withUnknownItems(message("block-named-as-final", { block, source }), header),
    ];
  }
  if (connect === null && isNamed) {
    throw cannotCheck(
      message("policy-block-not-observed", { block }), message("page-block-not-observed-hint"),
    );
  }
  // No node's word takes the place of what the verifier named.
  const allNamed = listNamed(target, named);
  if (allNamed !== "" && !isNamed) {
    throw cannotCheck(
      message("block-hashes-of-others", { named: allNamed, block }),
      message("block-hashes-of-others-hint"),
    );
  }
  if (connect === null) {
    throw cannotCheck(
      message("block-not-vouched-for", { block }), message("page-block-not-vouched-for-hint"),
    );
  }
  const view = await connect(target);
  const assurance = view.needed === 1 ? "rpc" : "proof";
  const [, chain] = await checkChain(view, target, assurance);
  const final = await view.fetchFinalBlock(target.finality);
  if (header.number > final.number) {
    throw notFinal(
      message("block-not-final-yet", { block, final: final.number }),
      message("block-not-final-yet-hint"),
    );
  }
  const there = await view.fetchBlock(Number(header.number));
  if (there.hash !== header.hash) {
    throw cannotCheck(
      message("block-differs-at-nodes", { block, actual: there.hash }),
      message("block-differs-at-nodes-hint"),
    );
  }
  const finality = finalityByDepth(target);
  const detail = finality
    ? message("block-treated-as-final", { chain, block, finality })
    : message("block-final-to-nodes", { chain, block });
  return [{ header, assurance, isAsserted: false }, withUnknownItems(detail, header)];
}

/** The hashes that the policy or the verifier names for the target; empty if there are none. */
export function listNamed(target: Target, named: readonly Hex[]): Text {
  const hashes = [...new Set([...target.blockHashes, ...named])].sort().map((each) => `0x${each}`);
  return join([...hashes.slice(0, SHOWN_HASHES), ...(hashes.length > SHOWN_HASHES ? ["…"] : [])]);
}

function withUnknownItems(detail: Message, { unknownItems: count }: Header): Message {
  if (count === 0) {
    return detail;
  }
  return count === 1
    ? message("header-item-unknown", { detail })
    : message("header-items-unknown", { detail, count });
}

/** Step 6: prove the registry's account and its code; return its storage root. */
export function checkProvenCode(proof: StateProof, target: Target, proven: ProvenBlock): Found<Hex> {
  const { hash, number } = proven.header;
  const storageRoot = checkAccount(proof, hash, target.registry, target.codeHash);
  const registry = formatAddress(target.registry);
  const place = message("registry-in-block", { registry, block: number });
  const short = target.codeHash.slice(0, 16);
  return [storageRoot, message("registry-code-proven", { hash: short, place })];
}

/** Step 7: prove the root's anchor in the registry's storage. */
export function checkProvenAnchor(
  proof: StateProof, target: Target, proven: ProvenBlock, storageRoot: Hex,
): Found<Anchor> {
  const { header } = proven;
  const { registry, log, head } = target;
  const anchor = checkAnchor(proof, storageRoot, header, registry, log, head.root);
  if (anchor === null) {
    const address = formatAddress(registry);
    throw notAnchored(message("receipt-proves-root-absent", {
      registry: address,
      root: head.root,
      block: header.number,
    }));
  }
  const block = header.number;
  if (proven.isAsserted) {
    return [anchor, message("anchor-proven-in-asserted-block", { block })];
  }
  const finality = finalityByDepth(target);
  return [anchor, finality
    ? message("anchor-proven-in-treated-block", { block, finality })
    : message("anchor-proven-in-final-block", { block })];
}

/** Who anchored; `standing` says what is known of the owner since, `note` why nodes said nothing. */
export interface Submitter {
  readonly key: Hex;
  readonly standing: Message | null;
  readonly note: Message | null;
}

function describe(stored: Anchor, found: Submitter): Found<Submitter> {
  const { key, standing } = found;
  const submitter = describeSubmitter(stored.operatorId, key);
  return [found, standing ? message("submitter-with-standing", { submitter, standing }) : submitter];
}

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
