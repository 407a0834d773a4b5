/** Recursive Length Prefix (Yellow Paper, appendix B): each item has one encoding (anchor/ethereum/rlp.py). */

import { count, type Hex, toHex } from "./bytes.ts";
import { malformed } from "./errors.ts";

export type RlpItem = Uint8Array | RlpItem[];

const MAX_DEPTH = 8;
// The first byte of an item: a string of up to 55 bytes, and the same for lists.
const STRING = 0x80;
const LIST = 0xc0;
const LONGEST_SHORT = 55;

/** Decode the one item that `data` is, of at most `maxBytes`. */
export function decodeRlp(data: Uint8Array, what: string, maxBytes: number): RlpItem {
  if (data.length > maxBytes) {
    throw malformed(`${what} has ${count(data.length)} bytes; at most ${count(maxBytes)} are allowed`);
  }
  const [item, end] = decode(data, 0, data.length, 0, what);
  if (end !== data.length) {
    throw malformed(`${what} goes on after its RLP item (byte ${end})`);
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
export function parseInteger(item: RlpItem, what: string, maxBits: number): bigint {
  if (!(item instanceof Uint8Array)) {
    throw malformed(`${what} is a list, not an integer`);
  }
  if (item[0] === 0) {
    throw malformed(`${what} is an integer with a leading zero`);
  }
  if (item.length * 8 > maxBits) {
    throw malformed(`${what} is an integer of more than ${maxBits} bits`);
  }
  return BigInt("0x0" + toHex(item));
}

/** Read a string of exactly `length` bytes. */
export function parseBytes(item: RlpItem, what: string, length: number): Hex {
  if (!(item instanceof Uint8Array) || item.length !== length) {
    throw malformed(`${what} is not a string of ${length} bytes`);
  }
  return toHex(item);
}

/** Return the item that begins `at`, and where it ends; its parent ends at `end`. */
function decode(
  data: Uint8Array, at: number, end: number, depth: number, what: string,
): [RlpItem, number] {
  if (depth > MAX_DEPTH) {
    throw malformed(`${what} nests deeper than ${MAX_DEPTH} lists`);
  }
  if (at >= end) {
    throw malformed(`${what} ends where an RLP item should begin (byte ${at})`);
  }
  const first = data[at]!;
  if (first < STRING) {
    return [data.subarray(at, at + 1), at + 1];
  }
  const short = first < LIST ? STRING : LIST;
  const [start, length] = readLength(data, at, end, first - short, what);
  const stop = start + length;
  if (short === LIST) {
    const items: RlpItem[] = [];
    for (let next = start; next < stop; ) {
      const [item, after] = decode(data, next, stop, depth + 1, what);
      items.push(item);
      next = after;
    }
    return [items, stop];
  }
  if (length === 1 && data[start]! < STRING) {
    throw malformed(`${what} has a prefix before a byte that is its own (byte ${at})`);
  }
  return [data.subarray(start, stop), stop];
}

/** Return where the payload begins, and its length; `form` is 0 to 55, or 55 + digits. */
function readLength(
  data: Uint8Array, at: number, end: number, form: number, what: string,
): [number, number] {
  let [start, length] = [at + 1, form];
  if (form > LONGEST_SHORT) {
    start += form - LONGEST_SHORT;
    const digits = data.subarray(at + 1, Math.min(start, end));
    length = digits.reduce((sum, digit) => sum * 256 + digit, 0);
    if (digits[0] === 0 || length <= LONGEST_SHORT) {
      throw malformed(`${what} spells a length longer than need be (byte ${at})`);
    }
  }
  if (length > end - start) {
    throw malformed(`${what} ends within an RLP item (byte ${at})`);
  }
  return [start, length];
}
