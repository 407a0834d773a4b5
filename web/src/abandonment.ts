/**
 * Step 9, the log: does its owner stand by the anchor, or was the log closed from before it
 * (anchor/verification/abandonment.py).  Storage decides; events are a hint at the root to look for.
 */

import { formatAddress, type Hex } from "./bytes.ts";
import { type Block, type ChainView, type Connect, numberOf, ownerOf, type Target } from "./steps.ts";
import { ABANDONED, abandoned, CANNOT_CHECK, cannotCheck, isRefusal } from "./errors.ts";
import { message, type Message } from "./messages.ts";
import { checkChain } from "./node_steps.ts";
import { type Anchor, anchorSlot, decodeAnchor, lastHeadSlot, successorSlot } from "./storage.ts";
import { checkSuccessor, type StateProof } from "./state_proof.ts";

/** What is not proven where neither the receipt nor a node says which log goes on. */
export const UNKNOWN = message("anchor-standing-unknown");

const CLOSED = message("log-closed-takeover-unknown");

/**
 * What nodes say of an anchor that its owner stands by; `isClosed`: though the log goes on.  No log is
 * ever opened again, so that `isClosed` holds from its block on.
 */
export interface Standing {
  readonly said: Message;
  readonly isClosed: boolean;
}

/** Return what the state proof of block `number` says of the log's owner; null: nothing. */
export function checkProvenStanding(
  proof: StateProof, { registry, log }: Target, stored: Anchor, storageRoot: Hex, number: bigint,
): Message | null {
  if (proof.successor === null) {
    return null;
  }
  const found = checkSuccessor(proof.successor, storageRoot, registry, log);
  return found ? judge(stored, ...found) : message("anchor-not-abandoned", { block: number });
}

/**
 * Return what nodes say of the log's owner, and a note on why they say nothing.  A state proof was
 * enough for the rest, so that what is wrong with the nodes is no finding; that the log was closed
 * since is one.
 */
export async function askStanding(
  target: Target, stored: Anchor, connect: Connect,
): Promise<[Standing | null, Message | null]> {
  try {
    const view = await connect(target);
    await checkChain(view, target, "proof");
    const final = await view.fetchFinalBlock(target.finality);
    return [await readStanding(view, target, stored, final), null];
  } catch (error) {
    if (!isRefusal(error) || error.code === ABANDONED || error.reason === CLOSED) {
      throw error;
    }
    const { reason } = error;
    return [null, message("anchor-standing-unanswered", { question: UNKNOWN, reason })];
  }
}

/** Return what the registry says of the log's owner in the final block. */
export async function readStanding(
  view: ChainView, target: Target, stored: Anchor, final: Block,
): Promise<Standing> {
  const { registry, log, head, anchor } = target;
  const read = (slot: Hex) => view.fetchStorage(registry, slot, final);
  const successor = await read(successorSlot(log));
  if (/^0+$/.test(successor)) {
    return { said: message("anchor-not-abandoned", { block: final.number }), isClosed: false };
  }
  const judgeBy = async (root: Hex) => {
    const first = decodeAnchor(await read(anchorSlot(successor, root)));
    return first?.sequence === 1
      ? { said: judge(stored, successor, first.size), isClosed: true }
      : null;
  };
  try {
    const said = await judgeBy(head.root);
    if (said !== null) {
      return said;
    }
    const last = await read(lastHeadSlot(log));
    // The newest of the closed log, and not what its successor took over.
    if (last === head.root) {
      throw left(successor, message("takeover-at-earlier-head"));
    }
    const proven = anchor?.state?.successor?.takeover?.root;
    const shown = proven ? await judgeBy(proven) : null;
    if (shown !== null) {
      return shown;
    }
    // The log as a whole, as a successor in good order goes on from it.
    const whole = await judgeBy(last);
    if (whole !== null) {
      return whole;
    }
    for (const root of await view.fetchTakeovers(registry, log, stored.blockNumber, final)) {
      const found = await judgeBy(root);
      if (found !== null) {
        return found;
      }
    }
  } catch (error) {
    // The log is closed, whatever else the nodes fail to say.
    if (!isRefusal(error) || error.code !== CANNOT_CHECK) {
      throw error;
    }
  }
  throw cannotCheck(CLOSED, message("log-closed-audit-hint"));
}

function judge(stored: Anchor, successor: Hex, size: number): Message {
  if (stored.size > size) {
    throw left(successor, message("takeover-at-size", { size }));
  }
  return message("anchor-covered-by-successor", { size });
}

function left(successor: Hex, since: Message) {
  const [number, owner] = [numberOf(successor), formatAddress(ownerOf(successor))];
  return abandoned(
    message("anchor-abandoned", { number, owner, since }), message("anchor-abandoned-hint"),
  );
}
