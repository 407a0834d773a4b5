/** Why a step does not pass, with the exit code that says of which kind that is (anchor/base/errors.py). */

import { message, type Message, type Text } from "./messages.ts";

export const DONE = 0;
export const MALFORMED = 2;
export const MISMATCH = 10;
export const NOT_ANCHORED = 11;
export const NOT_TRUSTED = 12;
export const ABANDONED = 13;
export const SUPERSEDED = 14;
export const CANNOT_CHECK = 20;
export const NOT_FINAL = 21;
export const UNKNOWN_VERSION = 22;

export class Refusal extends Error {
  constructor(
    readonly code: number,
    readonly reason: Message,
    readonly hint: Message | null = null,
  ) {
    super(reason.text);
  }
}

/** Return the refusal with the name of what it is about before its reason. */
export const attributeRefusal = ({ code, reason, hint }: Refusal, failure: Text) =>
  new Refusal(code, message("with-reason", { failure, reason }), hint);

export const malformed = (reason: Message, hint?: Message) => new Refusal(MALFORMED, reason, hint);
export const mismatch = (reason: Message, hint?: Message) => new Refusal(MISMATCH, reason, hint);
export const notAnchored = (reason: Message) => new Refusal(NOT_ANCHORED, reason);
export const notTrusted = (reason: Message, hint?: Message) => new Refusal(NOT_TRUSTED, reason, hint);
export const abandoned = (reason: Message, hint?: Message) => new Refusal(ABANDONED, reason, hint);
export const cannotCheck = (reason: Message, hint?: Message) => new Refusal(CANNOT_CHECK, reason, hint);
export const notFinal = (reason: Message, hint?: Message) => new Refusal(NOT_FINAL, reason, hint);
export const unknownVersion = (reason: Message, hint?: Message) =>
  new Refusal(UNKNOWN_VERSION, reason, hint);

/** Tell whether an error is a refusal of this code; what else is thrown is a bug of this page. */
export function isRefusal(error: unknown, code?: number): error is Refusal {
  return error instanceof Refusal && (code === undefined || error.code === code);
}
