/** What this release pins without a policy: its registry, and the code that it has on each chain. */

import type { Hex } from "./bytes.ts";
import { cannotCheck } from "./errors.ts";
import release from "./release.json" with { type: "json" };

/** Where the CREATE2 proxy puts the registry, on every chain. */
export const REGISTRY: Hex = release.registry;

/** Return the hash of the registry's code on a chain, which the chain's id is a part of. */
export function expectedCodeHash(chainId: number): Hex {
  const known: { readonly [chainId: string]: Hex } = release.code_hashes;
  const hash = known[chainId];
  if (hash === undefined) {
    throw cannotCheck(
      `this page does not know the registry's code on chain ${chainId}`,
      "give a trust policy, which names it; `anchor verify` computes it",
    );
  }
  return hash;
}
