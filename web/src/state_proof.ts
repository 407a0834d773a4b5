/**
 * State proofs: what a registry's storage holds at a block, by the block's hash alone
 * (anchor/receipt/state_proof.py).
 */

import { formatAddress, fromHex, type Hex, keccak256 } from "./bytes.ts";
import {
  cannotCheck, isRefusal, malformed, MALFORMED, mismatch, MISMATCH, notTrusted, Refusal,
} from "./errors.ts";
import { type Header, parseHeader } from "./header.ts";
import { verifyTrieProof } from "./trie.ts";
import { decodeRlp, parseBytes, parseInteger } from "./rlp.ts";
import {
  type Anchor, anchorSlot, decodeAnchor, decodeKey, operatorKeySlot, successorSlot,
} from "./storage.ts";

// Four items: two integers and two hashes.
const MAX_ACCOUNT_BYTES = 110;
// A word of 32 bytes and its prefix.
const MAX_VALUE_BYTES = 33;

/** A block's header as RLP, and the proofs of an account and of its slots under it. */
export interface StateProof {
  readonly header: Uint8Array;
  readonly accountProof: readonly Uint8Array[];
  readonly storageProof: readonly Uint8Array[];
  /** Of the operator's key, where not the log's owner sent the anchor; else empty. */
  readonly operatorProof: readonly Uint8Array[];
  /** Of whether another log took this one over, and from where; null where nothing is said. */
  readonly successor: SuccessorProof | null;
}

/** The proof of `successors[log]` and, where it is filled, of the head that the successor took over. */
export interface SuccessorProof {
  readonly proof: readonly Uint8Array[];
  readonly takeover: { readonly root: Hex; readonly proof: readonly Uint8Array[] } | null;
}

/** Return the storage root of the registry with the pinned code, in the block of `blockHash`. */
export function checkAccount(proof: StateProof, blockHash: Hex, registry: Hex, codeHash: Hex): Hex {
  const header = parseHeader(proof.header);
  if (header.hash !== blockHash) {
    throw mismatch(`the state proof's header has hash 0x${header.hash}, not 0x${blockHash}`);
  }
  const value = prove("account", header.stateRoot, registry, proof.accountProof);
  const where = `${formatAddress(registry)} in block ${header.number}`;
  if (value === null) {
    throw notTrusted(`there is no account at ${where}`);
  }
  const items = decodeRlp(value, "the account", MAX_ACCOUNT_BYTES);
  if (items instanceof Uint8Array || items.length !== 4) {
    throw malformed("the account does not have exactly four items");
  }
  parseInteger(items[0]!, "the account's nonce", 64);
  parseInteger(items[1]!, "the account's balance", 256);
  const storageRoot = parseBytes(items[2]!, "the account's storage root", 32);
  const found = parseBytes(items[3]!, "the account's code hash", 32);
  if (found !== codeHash) {
    throw notTrusted(`the code at ${where} has hash 0x${found}, not the pinned 0x${codeHash}`);
  }
  return storageRoot;
}

/** Return what a registry of that storage root holds for `root` in `log`; null: nothing. */
export function checkAnchor(
  proof: StateProof, storageRoot: Hex, header: Header, registry: Hex, log: Hex, root: Hex,
): Anchor | null {
  const held = checkWord("storage", storageRoot, anchorSlot(log, root), proof.storageProof);
  const anchor = readAnchor(held, registry);
  // Not the number: on some rollups the registry's block.number is the parent chain's.
  if (anchor && anchor.timestamp > header.timestamp) {
    const what = `an anchor of a later time, ${anchor.timestamp}, than its block's`;
    throw foreignStorage(registry, what);
  }
  return anchor;
}

/** Return who anchored in `log` under `operatorId`: the log's owner (0), or an operator. */
export function checkSubmitter(
  proof: StateProof, storageRoot: Hex, registry: Hex, log: Hex, operatorId: bigint,
): Hex {
  const hasProof = proof.operatorProof.length > 0;
  if (operatorId === 0n) {
    if (hasProof) {
      throw malformed("the receipt proves an operator's key, and the owner anchored");
    }
    return log.slice(24);
  }
  if (!hasProof) {
    throw cannotCheck(
      `the receipt does not prove the key of operator ${operatorId}`,
      "ask for an upgraded receipt: `anchor upgrade`",
    );
  }
  const slot = operatorKeySlot(log, operatorId);
  const key = decodeKey(checkWord("operator", storageRoot, slot, proof.operatorProof));
  if (key === null) {
    throw foreignStorage(registry, `an anchor of operator ${operatorId}, who has no key`);
  }
  return key;
}

/** Return the log that took `log` over, and the size that it went on from; null where none did. */
export function checkSuccessor(
  { proof, takeover }: SuccessorProof, storageRoot: Hex, registry: Hex, log: Hex,
): [Hex, number] | null {
  const successor = checkWord("successor", storageRoot, successorSlot(log), proof);
  if (/^0+$/.test(successor)) {
    if (takeover) {
      throw malformed("the receipt proves what a successor took over, and the log has none");
    }
    return null;
  }
  if (takeover === null) {
    throw cannotCheck(
      "the log was closed by its owner, and the receipt does not show from where its successor goes on",
      "ask for an upgraded receipt: `anchor upgrade`, or name nodes to ask",
    );
  }
  const held = checkWord("takeover", storageRoot, anchorSlot(successor, takeover.root), takeover.proof);
  const head = readAnchor(held, registry);
  if (head?.sequence !== 1) {
    throw notTrusted(
      `the registry ${formatAddress(registry)} does not hold root ${takeover.root} as the first of ` +
        `log 0x${successor}, the successor`,
    );
  }
  return [successor, head.size];
}

function readAnchor(held: Hex, registry: Hex): Anchor | null {
  try {
    return decodeAnchor(held);
  } catch {
    throw foreignStorage(registry, "a word that it never writes");
  }
}

/** Return the word in `slot`; zero where the proof shows that there is none. */
function checkWord(which: string, storageRoot: Hex, slot: Hex, nodes: readonly Uint8Array[]): Hex {
  const value = prove(which, storageRoot, slot, nodes);
  if (value === null) {
    return "0".repeat(64);
  }
  const item = decodeRlp(value, "the slot's value", MAX_VALUE_BYTES);
  const number = parseInteger(item, "the slot's value", 256);
  if (number === 0n) {
    throw malformed("the slot's value is zero, which no trie holds");
  }
  return number.toString(16).padStart(64, "0");
}

const foreignStorage = (registry: Hex, what: string) => notTrusted(
  `the registry ${formatAddress(registry)} holds ${what}: its storage was filled by others`,
);

function prove(which: string, root: Hex, key: Hex, nodes: readonly Uint8Array[]): Uint8Array | null {
  try {
    return verifyTrieProof(root, keccak256(fromHex(key)), nodes);
  } catch (error) {
    if (isRefusal(error, MALFORMED) || isRefusal(error, MISMATCH)) {
      throw new Refusal(error.code, `the ${which} proof does not hold: ${error.message}`);
    }
    throw error;
  }
}
