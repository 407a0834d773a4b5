/**
 * The single steps of a verification that ask nobody: each returns what it found and a line about
 * it (anchor/verification/steps.py).
 */

import { encodeUtf8, formatAddress, type Hex } from "./bytes.ts";
import { cannotCheck, isRefusal, MISMATCH, mismatch, notTrusted } from "./errors.ts";
import { hashLeaf, verifyInclusion } from "./merkle.ts";
import { type Head, parseReceipt, type Receipt, type ReceiptAnchor } from "./receipt.ts";
import { type Digests, parseRecord, type Record } from "./record.ts";
import { findChain } from "./release.ts";
import type { Anchor } from "./storage.ts";
import type { FinalityRule, TrustEntry } from "./policy.ts";

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
  /** Roots that a successor of `log` may have begun with, as events name them: hints, unverified. */
  fetchTakeovers(address: Hex, log: Hex, from: number, to: Block): Promise<Hex[]>;
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
export const numberOf = (log: Hex): bigint => BigInt("0x" + log.slice(0, 24));

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
export function checkPaths(receipt: Receipt, record: Record): Found<true> {
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
  const sizes = [...new Set(places.map(([, { size }]) => size))].join(", ");
  const named = compareLog(record, receipt.log);
  return [true, `leaf ${receipt.index} of a log of ${sizes} leaves, ${leaf}${named}`];
}

/** Compare the log that the record names, if it names one; a successor has another number. */
function compareLog({ log: named }: Record, log: Hex): string {
  if (named === null || named === log) {
    return "";
  }
  if (ownerOf(named) !== ownerOf(log)) {
    throw mismatch(
      `the record names a log of owner ${formatAddress(ownerOf(named))}, and the receipt is of a log ` +
        `of owner ${formatAddress(ownerOf(log))}`,
      "somebody put another operator's record into a log of their own",
    );
  }
  return `; the record names log ${numberOf(named)} of the same owner, and the receipt log ${numberOf(log)}`;
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

/** When the record existed at the latest, in Unix seconds, and how long before that it says it was made. */
export interface TimeBound {
  readonly existedBy: number;
  /** Negative where the record names a later time. */
  readonly secondsSinceRecorded: number;
}

/** Step 10: return the time by which the record existed, beside when it says it was made. */
export function checkTime(target: Target, stored: Anchor, record: Record): Found<TimeBound> {
  const [slack, said] = timeSlack(target);
  const existedBy = stored.timestamp + slack;
  if (existedBy > 253_402_300_799) { // years of more than four digits are no dates
    throw cannotCheck(`the registry's timestamp ${stored.timestamp} is no date`);
  }
  const bound = `${formatTime(existedBy)} UTC`;
  const since = existedBy - Date.parse(`${record.recordedAt.slice(0, 19)}Z`) / 1000;
  if (-since > target.recordedAtTolerance) {
    throw cannotCheck(
      `the record says it was made ${-since} s after it is proven to have existed (${bound})`,
      "the operator's clock was wrong, or the chain's times are: find out which",
    );
  }
  const distance = since >= 0 ? `${since} s before that` : `${-since} s after that, as is tolerated`;
  return [
    { existedBy, secondsSinceRecorded: since },
    `${bound}: ${said}; the record says it was made ${distance}`,
  ];
}

/** Return how many seconds the block's time may be off, and a line about it. */
function timeSlack({ chainId, timeSlack: pinned }: Target): [number, string] {
  const chain = findChain(chainId);
  const slack = pinned ?? chain?.slack ?? null;
  if (slack === null) {
    throw cannotCheck(
      `this release has no rule for how far the times of chain ${chainId} may be off`,
      "pin time_slack in a trust policy",
    );
  }
  const whose = chain?.sequenced ? "the time that the chain's sequencer gives its block" : "the block's time";
  const rule = chain?.slack ?? null;
  const less = rule !== null && slack < rule
    ? ` by the policy, where the chain's own rule allows ${rule} s`
    : "";
  return [slack, `${whose}, and ${slack} s it may be off${less}`];
}

/** Spell Unix seconds as YYYY-MM-DD hh:mm:ss, in UTC. */
export const formatTime = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
