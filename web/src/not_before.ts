/** A record's `not_before`: the block that it names as one before itself (anchor/evidence/not_before.py). */

import type { Hex } from "./bytes.ts";
import type { Json } from "./canonical.ts";

export const NOT_BEFORE = "not_before";
const MEMBERS = ["chain_id", "block_number", "block_hash"];

/** The block that a record names. */
export interface NotBefore {
  readonly chainId: number;
  readonly number: number;
  readonly hash: Hex;
}

/** Read the member; null of another form, which is the operator's statement and no fault. */
export function parseNotBefore(value: Json | undefined): NotBefore | null {
  if (!(value instanceof Map) || value.size !== MEMBERS.length) {
    return null;
  }
  const [chainId, number, hash] = MEMBERS.map((name) => value.get(name));
  if (typeof chainId !== "number" || chainId < 1 || typeof number !== "number" || number < 0) {
    return null;
  }
  return typeof hash === "string" && /^0x[0-9a-f]{64}$/.test(hash) ? { chainId, number, hash: hash.slice(2) } : null;
}
