/**
 * The single steps of a verification that ask nobody: each returns what it found and a line about
 * it (anchor/verification/steps.py).
 */

import { encodeUtf8, formatAddress, type Hex } from "./bytes.ts";
import { cannotCheck, isRefusal, MISMATCH, mismatch, notTrusted } from "./errors.ts";
import { hashLeaf, verifyInclusion } from "./merkle.ts";
import { join, message, type Message, moment } from "./messages.ts";
import { type Head, parseReceipt, type Receipt, type ReceiptAnchor } from "./receipt.ts";
import { type Digests, parseRecord, type Record } from "./record.ts";
import { findChain, limitTime } from "./release.ts";
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
export type Found<Value> = readonly [Value, Message];

export const ownerOf = (log: Hex): Hex => log.slice(24);
export const numberOf = (log: Hex): bigint => BigInt("0x" + log.slice(0, 24));

/** What treats a block as final, where that is the policy's number of blocks and not the nodes; else null. */
export function finalityByDepth({ finality }: Target): Message | null {
  return finality === "finalized" ? null : message("finality-by-depth", { count: finality });
}

/** Step 1: parse the receipt and its record strictly. */
export function parseDocuments(data: Uint8Array | Receipt): Found<[Receipt, Record]> {
  const receipt = data instanceof Uint8Array ? parseReceipt(data) : data;
  const { log, index } = receipt;
  return [[receipt, parseRecord(receipt.record)], message("receipt-log-and-leaf", { log, index })];
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
        message("file-digest-differs", { algorithm: name, actual: ours, expected: theirs }),
        message("file-digest-differs-hint"),
      );
    }
    compared.push(name);
  }
  const [ours, theirs] = [evidence.size, record.digests.size];
  if (ours !== null && theirs !== null && ours !== theirs) {
    throw mismatch(message("file-size-differs", { size: ours, expected: theirs }));
  }
  if (evidence.sha256 === null && evidence.sm3 === null) {
    throw cannotCheck(message("page-original-missing"), message("page-original-missing-hint"));
  }
  if (compared.length === 0) {
    throw cannotCheck(message("record-digests-not-compared"));
  }
  const algorithms = join(compared, "and");
  return [true, message("file-digests-equal", { algorithms })];
}

/** Step 3: fold the record's leaf up to the root of every anchor, or of the promise. */
export function checkPaths(receipt: Receipt, record: Record): Found<true> {
  const leaf = hashLeaf(encodeUtf8(receipt.record));
  const places: [Message, Head][] = receipt.anchors.map(({ head }) => [message("path-of-anchor"), head]);
  if (receipt.promise) {
    places.push([message("path-of-promise"), receipt.promise]);
  }
  for (const [place, head] of places) {
    try {
      verifyInclusion(leaf, receipt.index, head.size, head.path, head.root);
    } catch (error) {
      if (!isRefusal(error, MISMATCH)) {
        throw error;
      }
      throw mismatch(
        message("record-path-invalid", { place, size: head.size, reason: error.reason }),
        message("record-path-invalid-hint"),
      );
    }
  }
  const sizes = join([...new Set(places.map(([, { size }]) => `${size}`))]);
  const detail = message("record-in-log", { index: receipt.index, sizes, leaf });
  return [true, compareLog(record, receipt.log, detail)];
}

/** Compare the log that the record names, if it names one; a successor has another number. */
function compareLog({ log: written }: Record, log: Hex, detail: Message): Message {
  if (written === null || written === log) {
    return detail;
  }
  if (ownerOf(written) !== ownerOf(log)) {
    const [named, owner] = [written, log].map((id) => formatAddress(ownerOf(id)));
    throw mismatch(
      message("record-log-of-other-owner", { named: named!, owner: owner! }),
      message("record-log-of-other-owner-hint"),
    );
  }
  const [named, number] = [numberOf(written), numberOf(log)];
  return message("record-in-successor", { detail, named, number });
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
        message("receipt-differs-from-registry", { member, stated, actual: found }),
        message("receipt-differs-from-registry-hint"),
      );
    }
  }
  const { size, sequence, blockNumber } = stored;
  return [true, message("anchor-as-stated", { size, sequence, block: blockNumber })];
}

/** Return a line about who anchored; 0 is the log's owner. */
export function describeSubmitter(operator: bigint, key: Hex): Message {
  const address = formatAddress(key);
  return operator === 0n
    ? message("log-owner-address", { address })
    : message("submitter-operator", { operator, key: address });
}

/** See that the policy accepts the operator for the anchor's block. */
export function checkOperator(target: Target, stored: Anchor): void {
  const { operatorId, blockNumber } = stored;
  const isAccepted = target.operators?.some(
    ({ id, fromBlock, untilBlock }) =>
      id === operatorId && fromBlock <= blockNumber && blockNumber <= untilBlock,
  );
  if (isAccepted === false) {
    throw notTrusted(message("operator-not-accepted", { operator: operatorId, block: blockNumber }));
  }
}

/** When the record existed at the latest, in Unix seconds, and how long before that it says it was made. */
export interface TimeBound {
  readonly existedBy: number;
  /** Negative where the record names a later time. */
  readonly secondsSinceRecorded: number;
}

// Years of more than four digits are no dates.
export const LAST_DATE = 253_402_300_799;

/** Return when a record says that it was made, in Unix seconds. */
export const recordedAt = (record: Record): number => Date.parse(`${record.recordedAt.slice(0, 19)}Z`) / 1000;

/** Step 10: return the time by which the record existed, beside when it says it was made. */
export function checkTime(target: Target, stored: Anchor, record: Record): Found<TimeBound> {
  const [slack, basis] = timeSlack(target);
  const detail = addRule(message("time-with-slack", { basis, slack }), target, slack);
  const existedBy = stored.timestamp + slack;
  if (existedBy > LAST_DATE) {
    throw cannotCheck(message("registry-time-no-date", { timestamp: stored.timestamp }));
  }
  const since = existedBy - recordedAt(record);
  if (-since > target.recordedAtTolerance) {
    throw cannotCheck(
      message("record-later-than-anchor", { seconds: -since, time: moment(existedBy) }),
      message("record-later-than-anchor-hint"),
    );
  }
  const distance = since >= 0
    ? message("record-time-before", { seconds: since })
    : message("record-time-after", { seconds: -since });
  return [
    { existedBy, secondsSinceRecorded: since },
    limitTime(message("record-existed-by", { time: moment(existedBy), detail, distance }), target.chainId),
  ];
}

/** Return how many seconds a block's time may be off, and who sets it. */
export function timeSlack({ chainId, timeSlack: pinned }: Target): [number, Message] {
  const chain = findChain(chainId);
  const slack = pinned ?? chain?.slack ?? null;
  if (slack === null) {
    throw cannotCheck(
      message("chain-time-slack-unknown", { chain: chainId }),
      message("chain-time-slack-unknown-hint"),
    );
  }
  return [slack, chain?.sequenced ? message("time-of-sequencer") : message("time-of-block")];
}

/** Add the chain's own rule to a line about a time, where the policy's slack is smaller. */
export function addRule(detail: Message, { chainId }: Target, slack: number): Message {
  const rule = findChain(chainId)?.slack ?? null;
  return rule !== null && slack < rule ? message("time-slack-by-policy", { detail, rule }) : detail;
}
