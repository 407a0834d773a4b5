/**
 * What this release knows without a policy: its registry, the chains that it lists, and the code that
 * the registry has on each (anchor/ethereum/known_chains.py).
 */

import type { Hex } from "./bytes.ts";
import { cannotCheck } from "./errors.ts";
import release from "./release.json" with { type: "json" };

/** What a chain is worth as a witness of time. */
export type ChainKind = "main" | "test" | "development" | "unlisted";

/** One chain, as this release knows it; `slack` (seconds) null: no rule for its times is known. */
export interface Chain {
  readonly name: string;
  readonly kind: ChainKind;
  readonly genesis: Hex | null;
  readonly slack: number | null;
  readonly sequenced: boolean;
  /** This release was run against the chain itself. */
  readonly tested: boolean;
  /** The hash of the registry's code there, which the chain's id is a part of. */
  readonly code: Hex;
}

/** Where the CREATE2 proxy puts the registry, on every chain. */
export const REGISTRY: Hex = release.registry;

const CHAINS = release.chains as { readonly [chainId: string]: Chain };
const SENTENCES: { readonly [kind: string]: string } = release.en.kinds;

/** Return what this release knows of a chain; null of one that it does not list. */
export const findChain = (chainId: number): Chain | null => CHAINS[chainId] ?? null;

export const kindOf = (chainId: number): ChainKind => findChain(chainId)?.kind ?? "unlisted";

// From what proves most to what proves least.
const WORTH: readonly ChainKind[] = ["main", "unlisted", "test", "development"];

/** Return the kind that proves most: of anchors on several chains the best one carries. */
export const bestKind = (chainIds: readonly number[]): ChainKind =>
  WORTH.find((kind) => chainIds.some((chainId) => kindOf(chainId) === kind)) ?? "unlisted";

/** Return what is said of every chain of that kind; null of those that need no word. */
export const sentenceOf = (kind: ChainKind): string | null => SENTENCES[kind] ?? null;

/** Return the hash of the registry's code on a chain. */
export function expectedCodeHash(chainId: number): Hex {
  const chain = findChain(chainId);
  if (chain === null) {
    throw cannotCheck(
      `this page does not know the registry's code on chain ${chainId}`,
      "give a trust policy, which names it; `anchor verify` computes it",
    );
  }
  return chain.code;
}
