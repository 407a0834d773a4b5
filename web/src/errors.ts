/** Why a step does not pass, with the exit code that says of which kind that is (anchor/errors.py). */

export const DONE = 0;
export const MALFORMED = 2;
export const MISMATCH = 10;
export const NOT_ANCHORED = 11;
export const NOT_TRUSTED = 12;
export const ABANDONED = 13;
export const CANNOT_CHECK = 20;
export const NOT_FINAL = 21;
export const UNKNOWN_VERSION = 22;

export class Refusal extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly hint = "",
  ) {
    super(message);
  }
}

export const malformed = (text: string, hint?: string) => new Refusal(MALFORMED, text, hint);
export const mismatch = (text: string, hint?: string) => new Refusal(MISMATCH, text, hint);
export const notAnchored = (text: string) => new Refusal(NOT_ANCHORED, text);
export const notTrusted = (text: string, hint?: string) => new Refusal(NOT_TRUSTED, text, hint);
export const abandoned = (text: string, hint?: string) => new Refusal(ABANDONED, text, hint);
export const cannotCheck = (text: string, hint?: string) => new Refusal(CANNOT_CHECK, text, hint);
export const notFinal = (text: string, hint?: string) => new Refusal(NOT_FINAL, text, hint);
export const unknownVersion = (text: string, hint?: string) =>
  new Refusal(UNKNOWN_VERSION, text, hint);

/** Tell whether an error is a refusal of this code; what else is thrown is a bug of this page. */
export function isRefusal(error: unknown, code?: number): error is Refusal {
  return error instanceof Refusal && (code === undefined || error.code === code);
}
