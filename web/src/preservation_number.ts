/** Preservation numbers: 80 bits of a record's SHA-256 (anchor/evidence/preservation_number.py). */

import { encodeUtf8, sha256 } from "./bytes.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS = 20;
const GENERATOR = 0b100101; // x^5 + x^2 + 1

/** Return the preservation number of a record, from its exact text. */
export function numberRecord(record: string): string {
  let bits = BigInt(`0x${sha256(encodeUtf8(record)).slice(0, DIGITS)}`);
  const values: number[] = [];
  for (let at = 0; at < 16; at++) {
    values.unshift(Number(bits & 31n));
    bits >>= 5n;
  }
  const symbols = [...values, findRemainder([...values, 0])].map((value) => ALPHABET[value]).join("");
  return symbols.match(/.{1,4}/g)!.join("-");
}

/** Return the remainder of the values' bits, five each, modulo the generator. */
function findRemainder(values: readonly number[]): number {
  let remainder = 0;
  for (const value of values) {
    for (const bit of [16, 8, 4, 2, 1]) {
      remainder = (remainder << 1) | (value & bit ? 1 : 0);
      if (remainder & 32) {
        remainder ^= GENERATOR;
      }
    }
  }
  return remainder;
}
