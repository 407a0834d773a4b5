/** Step 11: before when a record was not made, by the block that it names (anchor/verification/earliest_time.py). */

import { cannotCheck, isRefusal } from "./errors.ts";
import { type Header, parseHeader } from "./header.ts";
import { checkBeacon } from "./history_proof.ts";
import { message, type Message, moment } from "./messages.ts";
import { NOT_BEFORE } from "./not_before.ts";
import type { Receipt } from "./receipt.ts";
import type { Record } from "./record.ts";
import { HISTORY, limitTime } from "./release.ts";
import type { StateProof } from "./state_proof.ts";
import { addRule, type Found, LAST_DATE, recordedAt, type Target, timeSlack } from "./steps.ts";
import type { Anchor } from "./storage.ts";

/** Return why the receipt shows no earliest time; null where step 11 can be made. */
export function explainAbsence({ anchors }: Receipt, { notBefore, statements }: Record): Message | null {
  if (notBefore === null) {
    return statements.includes(NOT_BEFORE)
      ? message("record-not-before-not-understood")
      : message("record-names-nothing-earlier");
  }
  const { chainId: chain, number } = notBefore;
  if (HISTORY.without.includes(chain)) {
    return message("chain-without-block-history", { chain });
  }
  if (anchors.some(({ state }) => state?.beacon)) {
    return null;
  }
  const mine = anchors.filter(({ chainId }) => chainId === chain);
  if (mine.length === 0) {
    return message("receipt-without-anchor-on-chain", { chain, number });
  }
  for (const { state } of mine) {
    const block = state && numberOf(state);
    if (block !== null && block - BigInt(number) > HISTORY.window) {
      return message("beacon-window-missed", { number, block, limit: HISTORY.window });
    }
  }
  return message("receipt-without-beacon", { number });
}

/** Return the number of a proof's block; null of a header that step 5 refuses. */
function numberOf({ header }: StateProof): bigint | null {
  try {
    return parseHeader(header).number;
  } catch (error) {
    if (!isRefusal(error)) {
      throw error;
    }
    return null;
  }
}

/** Step 11: return the time before which the record was not made, in Unix seconds. */
export function checkEarliestTime(
  proof: StateProof, target: Target, stored: Anchor, header: Header, record: Record,
): Found<number> {
  const earlier = checkBeacon(proof.beacon!, record.notBefore!, header, target.chainId, stored.timestamp);
  const [slack, basis] = timeSlack(target);
  const time = Math.max(0, Number(earlier.timestamp) - slack);
  if (time > LAST_DATE) {
    throw cannotCheck(message("beacon-time-no-date", { timestamp: earlier.timestamp }));
  }
  const since = recordedAt(record) - time;
  if (-since > target.recordedAtTolerance) {
    throw cannotCheck(
      message("record-earlier-than-beacon", { seconds: -since, time: moment(time) }),
      message("record-earlier-than-beacon-hint"),
    );
  }
  const detail = addRule(message("time-less-slack", { basis, slack }), target, slack);
  const text = message("record-made-after", { time: moment(time), number: earlier.number, hash: earlier.hash, detail });
  return [time, limitTime(text, target.chainId)];
}
