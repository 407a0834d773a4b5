/** Recursive Length Prefix (Yellow Paper, appendix B): each item has one encoding (anchor/ethereum/rlp.py). */

import { type Hex, toHex } from "./bytes.ts";
import { malformed } from "./errors.ts";
import { message, type Message } from "./messages.ts";

export type RlpItem = Uint8Array | RlpItem[];

const MAX_DEPTH = 8;
// The first byte of an item: a string of up to 55 bytes, and the same for lists.
const STRING = 0x80;
const LIST = 0xc0;
const LONGEST_SHORT = 55;

/** Decode the one item that `data` is, of at most `limit` bytes. */
export function decodeRlp(data: Uint8Array, subject: Message, limit: number): RlpItem {
  if (data.length > limit) {
    throw malformed(message("document-too-long", { subject, limit }));
  }
  const [item, end] = decode(data, 0, data.length, 0, subject);
  if (end !== data.length) {
    throw malformed(message("rlp-trailing-bytes", { subject, position: end }));
  }
  return item;
}

/** Return how many bytes an item's encoding has. */
export function encodedLength(item: RlpItem): number {
  if (item instanceof Uint8Array && item.length === 1 && item[0]! < STRING) {
    return 1;
  }
  const payload = item instanceof Uint8Array
    ? item.length
    : item.reduce((sum, part) => sum + encodedLength(part), 0);
  const digits = payload > LONGEST_SHORT ? Math.ceil(payload.toString(16).length / 2) : 0;
  return 1 + digits + payload;
}

/** Read an integer below 2^`maxBits`. */
export function parseInteger(item: RlpItem, subject: Message, maxBits: number): bigint {
  if (!(item instanceof Uint8Array)) {
    throw malformed(message("rlp-list-not-integer", { subject }));
  }
  if (item[0] === 0) {
    throw malformed(message("rlp-integer-leading-zero", { subject }));
  }
  if (item.length * 8 > maxBits) {
    throw malformed(message("rlp-integer-too-large", { subject, limit: maxBits }));
  }
  return BigInt("0x0" + toHex(item));
}

/** Read a string of exactly `length` bytes. */
export function parseBytes(item: RlpItem, subject: Message, length: number): Hex {
  if (!(item instanceof Uint8Array) || item.length !== length) {
    throw malformed(message("rlp-string-wrong-length", { subject, length }));
  }
  return toHex(item);
}

/** Return the item that begins `at`, and where it ends; its parent ends at `end`. */
function decode(
  data: Uint8Array, at: number, end: number, depth: number, subject: Message,
): [RlpItem, number] {
  if (depth > MAX_DEPTH) {
    throw malformed(message("rlp-too-deep", { subject, limit: MAX_DEPTH }));
  }
  if (at >= end) {
    throw malformed(message("rlp-item-missing", { subject, position: at }));
  }
  const first = data[at]!;
  if (first < STRING) {
    return [data.subarray(at, at + 1), at + 1];
  }
  const short = first < LIST ? STRING : LIST;
  const [start, length] = readLength(data, at, end, first - short, subject);
  const stop = start + length;
  if (short === LIST) {
    const items: RlpItem[] = [];
    for (let next = start; next < stop; ) {
      const [item, after] = decode(data, next, stop, depth + 1, subject);
      items.push(item);
      next = after;
    }
    return [items, stop];
  }
  if (length === 1 && data[start]! < STRING) {
    throw malformed(message("rlp-prefix-superfluous", { subject, position: at }));
  }
  return [data.subarray(start, stop), stop];
}

/** Return where the payload begins, and its length; `form` is 0 to 55, or 55 + digits. */
function readLength(
  data: Uint8Array, at: number, end: number, form: number, subject: Message,
): [number, number] {
  let [start, length] = [at + 1, form];
  if (form > LONGEST_SHORT) {
    start += form - LONGEST_SHORT;
    const digits = data.subarray(at + 1, Math.min(start, end));
    length = digits.reduce((sum, digit) => sum * 256 + digit, 0);
    if (digits[0] === 0 || length <= LONGEST_SHORT) {
      throw malformed(message("rlp-length-not-minimal", { subject, position: at }));
    }
  }
  if (length > end - start) {
    throw malformed(message("rlp-item-truncated", { subject, position: at }));
  }
  return [start, length];
}
