/** One piece of evidence of the list, the submission that it is part of, and the rules for both. */

import type { Hex } from "../bytes.ts";
import type { Text } from "../messages.ts";
import { message } from "../messages.ts";
import type { KeptCopy } from "./copy_queue.ts";
import { faultOfName } from "./names.ts";

export const STAGES = ["accepted", "sealed", "submitted", "included", "anchored"] as const;
export type Stage = (typeof STAGES)[number];

/** The groups of a record that this page offers (docs/record-groups.md). */
export interface Groups {
  readonly kind?: string;
  readonly source?: {
    readonly origin?: string;
    readonly generation_mechanism?: string;
    readonly storage_history?: readonly string[];
  };
  readonly collection?: {
    readonly started_at?: string;
    readonly ended_at?: string;
    readonly place?: string;
    readonly method?: string;
    readonly operators?: readonly { readonly name: string }[];
    readonly witnesses?: readonly { readonly name: string }[];
  };
}

/** What is the same for all pieces that are submitted by one click. */
export interface Batch {
  /** The idempotency key: whatever is sent again under it is recorded once. */
  readonly key: string;
  readonly withNames: boolean;
  readonly groups: Groups;
  /** The bytes of its files are to be sent as well. */
  readonly keep?: boolean;
}

/** Why a piece is not submitted: by a rule of this page, or in the service's own words. */
export type Fault = "changed" | "unreadable" | "name-empty" | "name-nul" | "name-surrogate" | "name-long"
  | { readonly detail: string };

/** An order of a certificate. */
export interface Certificate {
  readonly id: string;
  readonly state: "waiting" | "issued" | "refused" | "revoked";
  readonly files: readonly string[];
}

export interface Entry {
  /** Its place in the list. */
  readonly id: number;
  /** The path below what was chosen. */
  readonly name: string;
  readonly size: number;
  /** When the file was last changed, in milliseconds since 1970. */
  readonly modified: number;
  /** It was entered on this page, and saved as a file. */
  readonly isText: boolean;
  sha256: Hex | null;
  sm3: Hex | null;
  fault: Fault | null;
  /** The key of its batch, once it is submitted. */
  batch: string | null;
  /** The service's id of it; from then on it is on the service's disk. */
  evidence: Hex | null;
  stage: Stage | null;
  number: string | null;
  certificate: Certificate | null;
  /** The copy of it that is kept, as far as that is; missing in lists of earlier releases. */
  copy?: KeptCopy | null;
  /** Why its copy cannot be sent, in the service's own words. */
  copyFault?: string | null;
}

/** What is to be done next about an entry. */
export type Step = "hash" | "choose-again" | "submit" | "send" | "follow" | "none";

/** Return what is next for an entry; `hasFile`: its bytes can be read. */
export function nextStep(entry: Entry, hasFile: boolean): Step {
  if (entry.fault !== null) {
    return "none";
  }
  if (entry.sha256 === null) {
    return hasFile ? "hash" : "choose-again";
  }
  if (entry.evidence === null) {
    return entry.batch === null ? "submit" : "send";
  }
  return entry.stage === "anchored" ? "none" : "follow";
}

/** Tell whether an entry waits to be submitted, perhaps with other options than were refused before. */
export const isSubmittable = ({ batch, evidence, fault }: Entry): boolean =>
  batch === null && evidence === null && fault !== "changed" && fault !== "unreadable";

/** Tell whether two files are, by all that a browser says without reading them, the same. */
export const isSame = (entry: Entry, { name, size, modified }: Pick<Entry, "name" | "size" | "modified">): boolean =>
  entry.name === name && entry.size === size && entry.modified === modified;

/** Return the fault of an entry that is to be submitted with these options; null if there is none. */
export const faultIn = (entry: Entry, { withNames }: Batch): Fault | null =>
  withNames ? faultOfName(entry.name) : null;

/**
 * Return the line that submits an entry: of the same entry and batch always the same.
 *
 * With `groups`, even empty ones, the service records who submitted it.
 */
export function encodeLine({ sha256, sm3, size, name, isText }: Entry, { withNames, groups }: Batch): string {
  return JSON.stringify({
    sha256, sm3, size,
    ...(withNames ? { name } : {}),
    groups: isText ? { kind: "statement", ...groups } : groups,
  });
}

/** Return what is amiss with an entry, as a sentence. */
export function describeFault(fault: Fault): Text {
  switch (fault) {
    case "changed":
      return message("submit-file-changed");
    case "unreadable":
      return message("submit-file-unreadable");
    case "name-empty":
      return message("submit-name-empty");
    case "name-nul":
      return message("submit-name-nul");
    case "name-surrogate":
      return message("submit-name-surrogate");
    case "name-long":
      return message("submit-name-long", { limit: 4096 });
  }
  return message("submit-refused", { detail: fault.detail });
}

/** Return the name of a stage. */
export function describeStage(stage: Stage): Text {
  switch (stage) {
    case "accepted":
      return message("evidence-stage-accepted");
    case "sealed":
      return message("evidence-stage-sealed");
    case "submitted":
      return message("evidence-stage-submitted");
    case "included":
      return message("evidence-stage-included");
    case "anchored":
      return message("evidence-stage-anchored");
  }
}
