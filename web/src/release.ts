/**
 * What this release knows without a policy: its registry, the chains that it lists, and the code that
 * the registry has on each (anchor/ethereum/known_chains.py).
 */

import type { Hex } from "./bytes.ts";
import type { Json, Members } from "./canonical.ts";
import { cannotCheck } from "./errors.ts";
import { message, type Message, named, type Text } from "./messages.ts";
import release from "./release.json" with { type: "json" };

/** What a chain is worth as a witness of time. */
export type ChainKind = "main" | "test" | "development" | "unlisted";

/** One chain, as this release knows it; `slack` (seconds) null: no rule for its times is known. */
export interface Chain {
  /** A proper name; null where `name_id` is that of a message. */
  readonly name: string | null;
  readonly name_id: string | null;
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

/** How chains keep the hashes of earlier blocks (EIP-2935); `without`: the ids of those that do not. */
export const HISTORY: {
  readonly contract: Hex; readonly code: Hex; readonly window: number; readonly without: readonly number[];
} = release.history;

const CHAINS = release.chains as { readonly [chainId: string]: Chain };
const SENTENCES: { readonly [kind: string]: Message } = {
  test: message("chain-kind-test"),
  development: message("chain-kind-development"),
  unlisted: message("chain-kind-unlisted"),
};

const TITLES: { readonly [number: string]: string } = release.steps;

/** The numbers of all steps. */
export const STEPS = Object.keys(TITLES).map(Number);

/** What no receipt proves; every report ends with it. */
export const NOT_PROVEN: readonly Message[] = release.not_proven.map(named);

/** Who vouches for a value: the record states it, or the program observed it. */
export type Origin = "stated" | "observed";

/** The groups of a record; `observed`: of one with members of both origins, those that the program observed. */
const GROUPS = release.groups as {
  readonly [name: string]: { readonly label: string; readonly origin: string; readonly observed?: readonly string[] };
};

/** Tell whether a member of a record has the name of a group, which documents how evidence was collected. */
export const isGroupName = (name: string): boolean => Object.hasOwn(GROUPS, name);

export const labelOfGroup = (name: string): Message => named(GROUPS[name]!.label);

/** Return the part of a group that is of one origin; null if there is none. */
export function partOf(name: string, value: Json, origin: Origin): Json {
  const { origin: own, observed } = GROUPS[name]!;
  if (observed === undefined) {
    return own === origin ? value : null;
  }
  const part = [...(value as Members)].filter(([member]) => observed.includes(member) === (origin === "observed"));
  return part.length > 0 ? new Map(part) : null;
}

/** The claims, each with its title's message and the steps that it rests on. */
export const CLAIMS = release.claims.map((claim) => ({ ...claim, title: named(claim.title) }));

/** Return the title of a step. */
export const titleOfStep = (number: number): Message => named(TITLES[number]!);

/** Return what this release knows of a chain; null of one that it does not list. */
export const findChain = (chainId: number): Chain | null => CHAINS[chainId] ?? null;

export const nameOf = ({ name, name_id }: Chain): Text => name ?? named(name_id!);

export const kindOf = (chainId: number): ChainKind => findChain(chainId)?.kind ?? "unlisted";

// The kinds of chain whose block times count as real time.
const WITH_REAL_TIME: readonly string[] = release.with_real_time;

// From what proves most to what proves least.
const WORTH: readonly ChainKind[] = ["main", "unlisted", "test", "development"];

/** Return the kind that proves most: of anchors on several chains the best one carries. */
export const bestKind = (chainIds: readonly number[]): ChainKind =>
  WORTH.find((kind) => chainIds.some((chainId) => kindOf(chainId) === kind)) ?? "unlisted";

/** Tell whether the times of such a chain's blocks prove real time. */
export const provesTime = (kind: ChainKind): boolean => WITH_REAL_TIME.includes(kind);

/** Return a phrase about a time, which says so where the chain proves no real time. */
export const limitTime = (detail: Message, chainId: number): Message =>
  provesTime(kindOf(chainId)) ? detail : message("time-of-chain-alone", { detail });

/** Return what is said of every chain of that kind; null of main ones, which need no word. */
export const sentenceOf = (kind: ChainKind): Message | null => SENTENCES[kind] ?? null;

/** Return the hash of the registry's code on a chain. */
export function expectedCodeHash(chainId: number): Hex {
  const chain = findChain(chainId);
  if (chain === null) {
    throw cannotCheck(
      message("page-chain-code-unknown", { chain: chainId }), message("page-chain-code-unknown-hint"),
    );
  }
  return chain.code;
}
