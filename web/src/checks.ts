/**
 * The single steps of a verification that ask nobody: each returns what it found and a line about
 * it (anchor/checks.py).
 */

import { encodeUtf8, formatAddress, type Hex } from "./bytes.ts";
import { cannotCheck, isRefusal, MISMATCH, mismatch, notFinal, notTrusted } from "./errors.ts";
import { hashLeaf, verifyInclusion } from "./merkle.ts";
import { type Head, parseReceipt, type Receipt, type ReceiptAnchor } from "./receipt.ts";
import { type Digests, parseRecord, type Record } from "./record.ts";
import { expectedCodeHash, REGISTRY } from "./release.ts";
import type { Anchor } from "./slots.ts";
import type { FinalityRule, TrustEntry } from "./trust.ts";

/** One block, named by its hash; `timestamp` in Unix seconds. */
export interface Block {
  readonly number: number | bigint;
  readonly hash: Hex;
  readonly timestamp: number | bigint;
}

/** What a verifier reads from one chain; who does not answer properly is a refusal of code 20. */
export interface ChainView {
  /** How many nodes have to agree. */
  readonly needed: number;
  fetchChainId(): Promise<bigint>;
  fetchGenesis(): Promise<Hex>;
  /** Each node's newest block, and the word in it. */
  fetchLatestStorage(address: Hex, slot: Hex): Promise<[Block, Hex][]>;
  /** Each node's newest block, and the code hash in it. */
  fetchLatestCodeHash(address: Hex): Promise<[Block, Hex][]>;
  fetchFinalBlock(rule: FinalityRule): Promise<Block>;
  /** The chain's block of a number that is final. */
  fetchBlock(number: number): Promise<Block>;
  fetchCodeHash(address: Hex, block: Block): Promise<Hex>;
  fetchStorage(address: Hex, slot: Hex, block: Block): Promise<Hex>;
}

/** One anchor to look up, or (`anchor` null) a head that may have been anchored since. */
export interface Target extends Omit<TrustEntry, "owner" | "logs"> {
  readonly log: Hex;
  readonly head: Head;
  readonly anchor: ReceiptAnchor | null;
  /** The chains that the same verification asks for its other targets. */
  readonly otherChains: readonly number[];
}

export type Connect = (target: Target) => Promise<ChainView>;
export type Found<Value> = readonly [Value, string];

export const ownerOf = (log: Hex): Hex => log.slice(24);
const numberOf = (log: Hex): bigint => BigInt("0x" + log.slice(0, 24));

/** Step 1: parse the receipt and its record strictly. */
export function parseDocuments(data: Uint8Array): Found<[Receipt, Record]> {
  const receipt = parseReceipt(data);
  return [[receipt, parseRecord(receipt.record)], `log 0x${receipt.log}, leaf ${receipt.index}`];
}

/** Step 2: compare the digests of the file, and its size, with the record's. */
export function checkFile(evidence: Digests, record: Record): Found<true> {
  const compared: string[] = [];
  for (const name of ["sha256", "sm3"] as const) {
    const [ours, theirs] = [evidence[name], record.digests[name]];
    if (ours === null || theirs === null) {
      continue;
    }
    if (ours !== theirs) {
      throw mismatch(
        `the ${name} of the file is ${ours}, the record says ${theirs}`,
        "the file was changed, or the receipt belongs to another file",
      );
    }
    compared.push(name);
  }
  const [ours, theirs] = [evidence.size, record.digests.size];
  if (ours !== null && theirs !== null && ours !== theirs) {
    throw mismatch(`the file has ${ours} bytes, the record says ${theirs}`);
  }
  if (compared.length === 0) {
    throw cannotCheck("the record has none of the digests given, so nothing was compared");
  }
  return [true, `${compared.join(" and ")} equal`];
}

/** Step 3: fold the record's leaf up to the root of every anchor, or of the promise. */
export function checkPaths(receipt: Receipt): Found<true> {
  const leaf = hashLeaf(encodeUtf8(receipt.record));
  const places: [string, Head][] = receipt.anchors.map(({ head }) => ["anchor", head]);
  if (receipt.promise) {
    places.push(["promise", receipt.promise]);
  }
  for (const [place, head] of places) {
    try {
      verifyInclusion(leaf, receipt.index, head.size, head.path, head.root);
    } catch (error) {
      if (!isRefusal(error, MISMATCH)) {
        throw error;
      }
      throw mismatch(
        `the record does not lead to the root of the ${place} of size ${head.size}: ${error.message}`,
        "the record, the index, the path or the root was changed",
      );
    }
  }
  return [true, `leaf ${leaf}`];
}

/** Step 4: return what to look up: the anchors the policy pins, or the promised head. */
export function chooseTargets(receipt: Receipt, policy: readonly TrustEntry[] | null): Found<Target[]> {
  const { log, promise, anchors } = receipt;
  if (policy === null) {
    if (promise) {
      throw notFinal(
        "the receipt is the operator's promise: it names no anchor yet",
        "ask the operator for an upgraded receipt, or give a trust policy",
      );
    }
    const targets = anchors.map((anchor) => unpinnedTarget(log, anchor));
    return [nameOtherChains(targets), "not pinned, taken from the receipt; the registry is this release's own"];
  }
  const number = numberOf(log);
  const entries = policy.filter(
    (entry) => entry.owner === ownerOf(log) && entry.logs.some((accepted) => BigInt(accepted) === number),
  );
  if (entries.length === 0) {
    throw notTrusted(
      `log ${number} of owner ${formatAddress(ownerOf(log))} is not one the trust policy pins`,
      "check whose log this is before you pin another",
    );
  }
  if (promise) {
    const targets = entries.map((entry) => ({ ...entry, log, head: promise, anchor: null }));
    return [nameOtherChains(targets), "as pinned"];
  }
  const matches = anchors.flatMap((anchor) =>
    entries
      .filter((entry) => entry.chainId === anchor.chainId && entry.registry === anchor.registry)
      .map((entry) => ({ ...entry, log, head: anchor.head, anchor })),
  );
  if (matches.length === 0) {
    const places = anchors.map(
      (anchor) => `registry ${formatAddress(anchor.registry)} on chain ${anchor.chainId}`,
    );
    throw notTrusted(
      `the receipt is anchored in ${places.join(", ")}, which the policy does not pin`,
    );
  }
  return [nameOtherChains(matches), "as pinned"];
}

const nameOtherChains = (targets: readonly Omit<Target, "otherChains">[]): Target[] =>
  targets.map((target) => {
    const others = targets.map(({ chainId }) => chainId).filter((id) => id !== target.chainId);
    return { ...target, otherChains: others };
  });

function unpinnedTarget(log: Hex, anchor: ReceiptAnchor): Omit<Target, "otherChains"> {
  // The code alone proves nothing: a constructor can fill the storage as it likes and then return
  // our code.  The CREATE2 address commits to the constructor, too.
  if (anchor.registry !== REGISTRY) {
    throw notTrusted(
      `registry ${formatAddress(anchor.registry)} is not this release's registry, whose storage ` +
        "could not be filled at deployment",
      "if you checked how it was deployed, pin it in a trust policy",
    );
  }
  return {
    chainId: anchor.chainId,
    genesis: null,
    registry: anchor.registry,
    codeHash: expectedCodeHash(anchor.chainId),
    log,
    head: anchor.head,
    anchor,
    operators: null,
    timeSlack: 12,
    finality: "finalized",
    rpc: [],
    quorum: 1,
    assurance: "rpc",
    blockHashes: [],
  };
}

/** Step 8: compare what the receipt states about the anchor with what is stored. */
export function checkDerived(target: Target, stored: Anchor): Found<true> {
  const { anchor } = target;
  const pairs: [string, number, number][] = [["size", target.head.size, stored.size]];
  if (anchor) {
    pairs.push(
      ["sequence", anchor.sequence, stored.sequence],
      ["block_number", anchor.blockNumber, stored.blockNumber],
      ["timestamp", anchor.timestamp, stored.timestamp],
    );
  }
  for (const [member, stated, found] of pairs) {
    if (stated !== found) {
      throw mismatch(
        `the receipt says ${member} ${stated}, the registry says ${found}`,
        "the receipt was altered, or written before a reorganisation: upgrade it",
      );
    }
  }
  const { size, sequence, blockNumber } = stored;
  return [true, `size ${size}, anchor ${sequence}, block ${blockNumber}`];
}

/** Return a line about who anchored; 0 is the log's owner. */
export function describeSubmitter(operatorId: bigint, key: Hex): string {
  const who = operatorId === 0n ? "the log's owner" : `operator ${operatorId}, key`;
  return `${who} ${formatAddress(key)}`;
}

/** See that the policy accepts the operator for the anchor's block. */
export function checkOperator(target: Target, stored: Anchor): void {
  const { operatorId, blockNumber } = stored;
  const isAccepted = target.operators?.some(
    ({ id, fromBlock, untilBlock }) =>
      id === operatorId && fromBlock <= blockNumber && blockNumber <= untilBlock,
  );
  if (isAccepted === false) {
    throw notTrusted(`operator ${operatorId} is not accepted by the policy for block ${blockNumber}`);
  }
}

/** Step 10: return the time by which the record existed, in Unix seconds. */
export function latestTime(timestamp: number, slack: number): Found<number> {
  const latest = timestamp + slack;
  if (latest > 253_402_300_799) { // years of more than four digits are no dates
    throw cannotCheck(`the registry's timestamp ${timestamp} is no date`);
  }
  return [latest, `${formatTime(latest)} UTC: the block's time, and ${slack} s it may be off`];
}

/** Spell Unix seconds as YYYY-MM-DD hh:mm:ss, in UTC. */
export const formatTime = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
