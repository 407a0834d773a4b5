/** Step 9, its other half: does the log's owner still stand by the anchor. */

import type { Hex } from "./bytes.ts";
import type { Block, ChainView, Connect, Target } from "./checks.ts";
import { abandoned, cannotCheck, isRefusal } from "./errors.ts";
import { type Anchor, anchorSlot, decodeAnchor, lastHeadSlot, successorSlot } from "./slots.ts";
import { checkSuccessor, type StateProof } from "./stateproof.ts";

const isEmpty = (word: Hex) => /^0+$/.test(word);

/** By the receipt's own proof, and by nodes where they can be asked; return what is said of it. */
export async function checkProvenSuccession(
  proof: StateProof, target: Target, stored: Anchor, storageRoot: Hex, block: bigint, connect: Connect | null,
): Promise<string> {
  let said = "";
  if (proof.successor) {
    const taken = checkSuccessor(proof.successor, storageRoot, target.registry, target.log);
    said = taken ? judge(stored, ...taken) : `; not abandoned as of block ${block}`;
  }
  if (connect === null) {
    return said;
  }
  try { // the proof is of an older block than theirs
    const view = await connect(target);
    return await checkSuccession(view, target, stored, await view.fetchFinalBlock(target.finality));
  } catch (error) {
    if (isRefusal(error) && error.code === abandoned("").code) {
      throw error;
    }
    return said;
  }
}

/** By what nodes say of one final block. */
export async function checkSuccession(
  view: ChainView, target: Target, stored: Anchor, final: Block,
): Promise<string> {
  const { registry, log, head, anchor } = target;
  const read = (slot: Hex) => view.fetchStorage(registry, slot, final);
  const successor = await read(successorSlot(log));
  if (isEmpty(successor)) {
    return `; not abandoned as of block ${final.number}`;
  }
  const findSize = async (root: Hex) => {
    const first = decodeAnchor(await read(anchorSlot(successor, root)));
    return first?.sequence === 1 ? first.size : null;
  };
  const own = await findSize(head.root);
  if (own !== null) {
    return judge(stored, successor, own);
  }
  if ((await read(lastHeadSlot(log))) === head.root) {
    throw left(successor);
  }
  const hints = await view.fetchTakeovers(registry, log, stored.blockNumber, final);
  for (const root of [...hints, anchor?.state?.successor?.takeover?.root ?? []].flat()) {
    const size = await findSize(root);
    if (size !== null) {
      return judge(stored, successor, size);
    }
  }
  throw cannotCheck(
    "the log was closed by its owner, and nothing shows from where its successor goes on",
    "`anchor audit` of the published log tells",
  );
}

function judge(stored: Anchor, successor: Hex, size: number): string {
  if (stored.size > size) {
    throw left(successor, size);
  }
  return `; the log was closed; its successor goes on from size ${size}, which covers this anchor`;
}

const left = (successor: Hex, size?: number) => abandoned(
  `the log's owner abandoned this anchor: log 0x${successor} took over from ` +
    (size === undefined ? "an earlier one" : `size ${size}`),
);
