/**
 * State proofs: what a registry's storage holds at a block, by the block's hash alone
 * (anchor/receipt/state_proof.py).
 */

import { formatAddress, fromHex, type Hex, keccak256 } from "./bytes.ts";
import {
  cannotCheck, isRefusal, malformed, MALFORMED, mismatch, MISMATCH, notTrusted, Refusal,
} from "./errors.ts";
import { type Header, parseHeader } from "./header.ts";
import { message, type Message } from "./messages.ts";
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
  /** Of the block that the record names; null where it is not proven. */
  readonly beacon: BeaconProof | null;
}

/** An earlier block's header as RLP, and the proofs of its hash in the history contract. */
export interface BeaconProof {
  readonly header: Uint8Array;
  readonly accountProof: readonly Uint8Array[];
  readonly storageProof: readonly Uint8Array[];
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
    throw mismatch(message("proof-header-hash-differs", { actual: header.hash, expected: blockHash }));
  }
  const account = proveAccount(message("proof-of-account"), header.stateRoot, registry, proof.accountProof);
  const [address, block] = [formatAddress(registry), header.number];
  const place = message("registry-in-block", { registry: address, block });
  if (account === null) {
    throw notTrusted(message("registry-account-missing", { place }));
  }
  const [storageRoot, found] = account;
  if (found !== codeHash) {
    throw notTrusted(message("registry-code-not-pinned", { place, actual: found, expected: codeHash }));
  }
  return storageRoot;
}

/** Return the storage root and the code hash of an account; null where there is none. */
export function proveAccount(
  kind: Message, stateRoot: Hex, address: Hex, nodes: readonly Uint8Array[],
): [Hex, Hex] | null {
  const value = prove(kind, stateRoot, address, nodes);
  if (value === null) {
    return null;
  }
  const items = decodeRlp(value, message("account-subject"), MAX_ACCOUNT_BYTES);
  if (items instanceof Uint8Array || items.length !== 4) {
    throw malformed(message("account-wrong-item-count"));
  }
  parseInteger(items[0]!, message("account-nonce"), 64);
  parseInteger(items[1]!, message("account-balance"), 256);
  return [
    parseBytes(items[2]!, message("account-storage-root"), 32),
    parseBytes(items[3]!, message("account-code-hash"), 32),
  ];
}

/** Return what a registry of that storage root holds for `root` in `log`; null: nothing. */
export function checkAnchor(
  proof: StateProof, storageRoot: Hex, header: Header, registry: Hex, log: Hex, root: Hex,
): Anchor | null {
  const held = checkWord(message("proof-of-storage"), storageRoot, anchorSlot(log, root), proof.storageProof);
  const anchor = readAnchor(held, registry);
  // Not the number: on some rollups the registry's block.number is the parent chain's.
  if (anchor && anchor.timestamp > header.timestamp) {
    throw foreignStorage(registry, message("anchor-later-than-block", { time: anchor.timestamp }));
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
      throw malformed(message("receipt-operator-proof-superfluous"));
    }
    return log.slice(24);
  }
  if (!hasProof) {
    throw cannotCheck(
      message("operator-key-not-proven", { operator: operatorId }),
      message("receipt-upgrade-hint"),
    );
  }
  const slot = operatorKeySlot(log, operatorId);
  const kind = message("proof-of-operator");
  const key = decodeKey(checkWord(kind, storageRoot, slot, proof.operatorProof));
  if (key === null) {
    throw foreignStorage(registry, message("anchor-operator-without-key", { operator: operatorId }));
  }
  return key;
}

/** Return the log that took `log` over, and the size that it went on from; null where none did. */
export function checkSuccessor(
  { proof, takeover }: SuccessorProof, storageRoot: Hex, registry: Hex, log: Hex,
): [Hex, number] | null {
  const kind = message("proof-of-successor");
  const successor = checkWord(kind, storageRoot, successorSlot(log), proof);
  if (/^0+$/.test(successor)) {
    if (takeover) {
      throw malformed(message("receipt-takeover-superfluous"));
    }
    return null;
  }
  if (takeover === null) {
    throw cannotCheck(
      message("log-closed-takeover-not-proven"), message("page-receipt-upgrade-or-nodes-hint"),
    );
  }
  const slot = anchorSlot(successor, takeover.root);
  const held = checkWord(message("proof-of-takeover"), storageRoot, slot, takeover.proof);
  const head = readAnchor(held, registry);
  if (head?.sequence !== 1) {
    const [address, { root }] = [formatAddress(registry), takeover];
    throw notTrusted(message("registry-lacks-takeover-root", { registry: address, root, successor }));
  }
  return [successor, head.size];
}

function readAnchor(held: Hex, registry: Hex): Anchor | null {
  try {
    return decodeAnchor(held);
  } catch {
    throw foreignStorage(registry, message("registry-word-foreign"));
  }
}

/** Return the word in `slot`; zero where the proof shows that there is none. */
export function checkWord(kind: Message, storageRoot: Hex, slot: Hex, nodes: readonly Uint8Array[]): Hex {
  const value = prove(kind, storageRoot, slot, nodes);
  if (value === null) {
    return "0".repeat(64);
  }
  const subject = message("slot-value");
  const number = parseInteger(decodeRlp(value, subject, MAX_VALUE_BYTES), subject, 256);
  if (number === 0n) {
    throw malformed(message("slot-value-zero"));
  }
  return number.toString(16).padStart(64, "0");
}

function foreignStorage(holder: Hex, detail: Message) {
  const registry = formatAddress(holder);
  return notTrusted(message("registry-storage-foreign", { registry, detail }));
}

function prove(kind: Message, root: Hex, key: Hex, nodes: readonly Uint8Array[]): Uint8Array | null {
  try {
    return verifyTrieProof(root, keccak256(fromHex(key)), nodes);
  } catch (error) {
    if (isRefusal(error, MALFORMED) || isRefusal(error, MISMATCH)) {
      throw new Refusal(error.code, message("proof-invalid", { kind, reason: error.reason }));
    }
    throw error;
  }
}
