/** Claim C7 by the custody events in a bag (anchor/verification/collection_account.py, custody_chain.py). */

import { type ValidBag, readReceipt } from "./bag.ts";
import { encodeUtf8, type Hex, sha256 } from "./bytes.ts";
import { encodeCanonical, type Members, parseCanonical } from "./canonical.ts";
import { attributeRefusal, cannotCheck, isRefusal, mismatch } from "./errors.ts";
import { join, message, type Message, type Text } from "./messages.ts";
import { parseReceipt, type Receipt } from "./receipt.ts";
import { type Digests, parseRecord } from "./record.ts";
import { judgeAccount, readGroups } from "./record_groups.ts";
import { errorOf, gravestOf, type Report, type Verdict, verdictOf } from "./report.ts";
import { Sm3 } from "./sm3.ts";

const [FOLDER, SUFFIX] = ["custody/", ".anchor.json"] as const;

/** A custody event, and its receipt; `record` is the SHA-256 of its record. */
export interface PackedEvent {
  readonly data: Uint8Array;
  readonly receipt: Receipt;
  readonly record: Hex;
  readonly members: Members;
  readonly digests: Digests;
}

/** Return the custody events whose receipts are in a bag; other files prove nothing, and are left out. */
export async function readEvents(bag: ValidBag): Promise<PackedEvent[]> {
  const names = [...bag.tags.keys()].filter((name) => name.startsWith(FOLDER) && name.endsWith(SUFFIX));
  const events: PackedEvent[] = [];
  for (const name of names.sort(compareNames)) {
    try {
      const data = await readReceipt(bag, name);
      const receipt = parseReceipt(data);
      const event = readEvent(receipt.record);
      if (event) {
        events.push({ data, receipt, record: sha256(encodeUtf8(receipt.record)), ...event });
      }
    } catch (error) {
      if (!isRefusal(error)) {
        throw error;
      }
    }
  }
  return events;
}

/** Compare as Python does, by code points and not by halves of them. */
function compareNames(one: string, other: string): number {
  const [left, right] = [one, other].map((name) => [...name].map((letter) => letter.codePointAt(0)!)) as [number[], number[]];
  const at = left.findIndex((point, place) => point !== right[place]);
  return at < 0 ? left.length - right.length : left[at]! - (right[at] ?? -1);
}

/** Return the event that a record is of; null of one of other evidence, or with the digests of other bytes. */
export function readEvent(text: string): { members: Members; digests: Digests } | null {
  const { digests: stated } = parseRecord(text);
  const members = readGroups(parseCanonical(text, message("evidence-record")) as Members).groups.get("custody");
  if (members === undefined) {
    return null;
  }
  const data = encodeUtf8(encodeCanonical(members));
  const digests = { sha256: sha256(data), sm3: new Sm3().update(data).digest(), size: data.length };
  const isSame = stated.sha256 === digests.sha256 && [null, digests.sm3].includes(stated.sm3);
  return isSame ? { members: members as Members, digests } : null;
}

const memberOf = (event: PackedEvent, name: string) => event.members.get(name) as Hex | undefined;

/** Return the report with the verdict of C7 on the events about its record, if there are any; `judge` is asked of each. */
export async function judgeCustody(
  report: Report, events: readonly PackedEvent[], judge: (event: PackedEvent) => Promise<Report>,
): Promise<Report> {
  const { receipt } = report;
  if (receipt === null) {
    return report;
  }
  const subject = sha256(encodeUtf8(receipt.record));
  const mine = events.filter((event) => memberOf(event, "subject") === subject);
  if (mine.length === 0) {
    return report;
  }
  try {
    const errors = [];
    for (const event of mine) {
      const error = errorOf(await judge(event));
      errors.push(error ? attributeRefusal(error, message("custody-event-named", { event: event.record })) : []);
    }
    const wrong = gravestOf(errors.flat());
    if (wrong) {
      throw wrong;
    }
    const chain = orderEvents(receipt, mine);
    checkOrder(receipt, chain);
    checkDigests(report.record!.digests.sha256, chain);
    return describeChain(report, receipt, chain);
  } catch (error) {
    if (!isRefusal(error)) {
      throw error;
    }
    return { ...withClaim(report, verdictOf(error), error.reason), custody: error };
  }
}

function withClaim(report: Report, verdict: Verdict, reason: Message): Report {
  return { ...report, claims: report.claims.map((claim) => (claim.id === "C7" ? { ...claim, verdict, reason } : claim)) };
}

function describeChain(report: Report, receipt: Receipt, chain: readonly PackedEvent[]): Report {
  const silent = chain.flatMap((event, at) =>
    memberOf(event, "digest_before") || memberOf(event, "digest_after") ? [] : `${at + 1}`);
  const time = memberOf(chain.at(-1)!, "at")!;
  const [account, isComplete] = judgeAccount(parseCanonical(receipt.record, message("evidence-record")) as Members);
  const clauses: Text[] = [
    account,
    message("custody-chain-complete", { count: chain.length, time }),
    ...(silent.length > 0 ? [message("custody-events-without-digest", { numbers: join(silent) })] : []),
  ];
  const verdict = silent.length === 0 && isComplete ? "pass" : "not present";
  return withClaim(report, verdict, join(clauses, "semicolon") as Message);
}

/** Return the events in their order: each follows the one that it names, and one is the first. */
function orderEvents(receipt: Receipt, events: readonly PackedEvent[]): PackedEvent[] {
  if (events.some((event) => event.receipt.log.slice(-40) !== receipt.log.slice(-40))) {
    throw mismatch(message("custody-event-of-other-log"));
  }
  const given = new Map(events.map((event) => [event.record, event]));
  const following = new Map<Hex | undefined, PackedEvent>();
  for (const event of given.values()) {
    const previous = memberOf(event, "previous_event");
    const first = following.get(previous)?.record;
    if (first) {
      throw mismatch(message("custody-chain-forks", { first, second: event.record }));
    }
    following.set(previous, event);
  }
  const chain: PackedEvent[] = [];
  for (let last = following.get(undefined); last && chain.length < given.size; last = following.get(last.record)) {
    chain.push(last);
  }
  if (chain.length < given.size) {
    const rest = [...given.values()].filter((event) => !chain.includes(event));
    const missing = findMissing(rest);
    throw cannotCheck(message("custody-chain-gap", { event: rest[0]!.record, missing }), message("custody-chain-gap-hint"));
  }
  return chain;
}

/** Return the previous event that was not given, before the first of these or one that it follows. */
function findMissing(rest: readonly PackedEvent[]): Hex {
  let missing = memberOf(rest[0]!, "previous_event");
  for (const _ of rest) {
    const event = rest.find(({ record }) => record === missing);
    missing = event ? memberOf(event, "previous_event") : missing;
  }
  return missing ?? "";
}

/** Check that each event is later in the log than the one before; leaves of two logs have no order. */
function checkOrder(receipt: Receipt, chain: readonly PackedEvent[]): void {
  let last: number | null = receipt.index;
  for (const { receipt: { index: place, log }, record } of chain) {
    const index: number | null = log === receipt.log ? place : null;
    if (last !== null && index !== null && index <= last) {
      throw mismatch(message("custody-event-before-previous", { event: record, index }));
    }
    last = index;
  }
}

/** Check that each event finds what the one before left, and that the last leaves the evidence. */
function checkDigests(recorded: Hex | null, chain: readonly PackedEvent[]): void {
  let current = recorded;
  for (const event of chain) {
    const [before, after] = [memberOf(event, "digest_before"), memberOf(event, "digest_after")];
    if (before && current && before !== current) {
      throw mismatch(message("custody-digest-differs", { event: event.record }));
    }
    current = after ?? before ?? current;
  }
  if (recorded && current !== recorded) {
    throw mismatch(message("custody-digest-final-differs", { event: chain.at(-1)!.record }));
  }
}
