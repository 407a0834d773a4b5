/** The registry's storage layout, and the word that it keeps for a root (anchor/registry/storage.py). */

import { fromHex, type Hex, keccak256 } from "./bytes.ts";
import { cannotCheck } from "./errors.ts";
import { message } from "./messages.ts";

/** What the registry stores for an anchored root; `operatorId` is 0 for the log's owner. */
export interface Anchor {
  readonly size: number;
  readonly sequence: number;
  readonly blockNumber: number;
  readonly timestamp: number;
  readonly operatorId: bigint;
}

const word = (value: bigint | number): Hex => value.toString(16).padStart(64, "0");
const entry = (key: Hex, slot: Hex): Hex => keccak256(fromHex(key + slot));

/** Return the slot of `anchors[log][root]`. */
export const anchorSlot = (log: Hex, root: Hex): Hex => entry(root, entry(log, word(0)));

/** Return the slot of `operatorKeys[log][operatorId]`. */
export const operatorKeySlot = (log: Hex, operatorId: bigint): Hex =>
  entry(word(operatorId), entry(log, word(2)));

/** Return the slot of `successors[log]`. */
export const successorSlot = (log: Hex): Hex => entry(log, word(4));

/** Return the slot of `lastHeads[log]`, which is filled once the log is closed. */
export const lastHeadSlot = (log: Hex): Hex => entry(log, word(6));

/** Unpack a word: size 48, sequence 40, block number 48, timestamp 48, operator id 72, from below. */
export function decodeAnchor(held: Hex): Anchor | null {
  const value = BigInt("0x" + held);
  if (value === 0n) {
    return null;
  }
  const bits = (from: number, width: number) => Number(BigInt.asUintN(width, value >> BigInt(from)));
  const [size, sequence] = [bits(0, 48), bits(48, 40)];
  if (size === 0 || sequence === 0) {
    throw cannotCheck(message("registry-word-impossible"));
  }
  return {
    size, sequence, blockNumber: bits(88, 48), timestamp: bits(136, 48), operatorId: value >> 184n,
  };
}

/** Return the address in an operator's slot; null where the word is none. */
export const decodeKey = (held: Hex): Hex | null =>
  /^0{24}/.test(held) && !/^0{64}$/.test(held) ? held.slice(24) : null;
