/** What is said of the whole list, and of what goes wrong with it. */

import { message, type Text } from "../messages.ts";
import { isSubmittable } from "./entry.ts";
import { asServiceProblem } from "./service.ts";
import type { SubmissionList } from "./submission_list.ts";

export interface Overview {
  readonly text: Text;
  readonly submittable: number;
  /** Files whose bytes the browser has no more. */
  readonly missing: number;
  /** How much of the bytes that are to be hashed is; null while nothing is hashed. */
  readonly part: number | null;
}

export function summarise(list: SubmissionList): Overview {
  let [hashed, sent, anchored, amiss, missing, submittable, done, all] = [0, 0, 0, 0, 0, 0, 0, 0];
  let isHashing = false;
  for (const entry of list.entries) {
    const step = list.step(entry);
    submittable += isSubmittable(entry) ? 1 : 0;
    hashed += entry.sha256 === null ? 0 : 1;
    sent += entry.evidence === null ? 0 : 1;
    anchored += entry.stage === "anchored" ? 1 : 0;
    amiss += entry.fault === null ? 0 : 1;
    missing += step === "choose-again" ? 1 : 0;
    isHashing ||= step === "hash";
    if (step !== "choose-again" && entry.fault === null) {
      // A file costs something even if it is empty.
      const weight = entry.size + 1;
      all += weight;
      done += weight * (entry.sha256 === null ? list.hashing.progress.get(entry) ?? 0 : 1);
    }
  }
  const total = list.entries.length;
  return {
    text: total === 0 ? message("submit-nothing") : message("submit-summary", { total, hashed, sent, anchored, amiss }),
    submittable, missing, part: isHashing ? done / all : null,
  };
}

/** Return why the service did not do something, as a sentence with what helps. */
export function describeProblem(error: unknown): Text {
  const { status, detail, retryAfter } = asServiceProblem(error);
  switch (status) {
    case 0:
      return message("submit-problem-away");
    case 401:
      return message("submit-problem-signed-out");
    case 403:
    case 404:
      return message("submit-problem-not-permitted");
    case 429:
      return retryAfter !== null && retryAfter > 60
        ? message("submit-problem-quota")
        : message("submit-problem-busy");
  }
  return status >= 500 ? message("submit-problem-busy") : message("submit-refused", { detail });
}
