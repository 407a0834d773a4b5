/** Bytes, and how they are spelled. Hashes and addresses are bare lower-case hex inside. */

import { keccak_256 } from "@noble/hashes/sha3.js";
import { sha256 as hashSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { malformed } from "./errors.ts";

export type Hex = string;

export { bytesToHex as toHex, concatBytes as concat, hexToBytes as fromHex, utf8ToBytes as encodeUtf8 };

export const sha256 = (data: Uint8Array): Hex => bytesToHex(hashSha256(data));
export const keccak256 = (data: Uint8Array): Hex => bytesToHex(keccak_256(data));

/** Spell a whole number with commas between its thousands. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** Quote a foreign text in a message, as Python's `repr` does, up to `most` characters. */
export function quote(text: string, most = 80): string {
  const inner = JSON.stringify([...text].slice(0, most).join("")).slice(1, -1).replaceAll('\\"', '"');
  return inner.includes("'") && !inner.includes('"') ? `"${inner}"` : `'${inner.replaceAll("'", "\\'")}'`;
}

/** Decode `length` bytes of lower-case hex: with 0x before it (Ethereum values), or without. */
export function parseHex(text: string, length: number, what: string, prefix: boolean): Hex {
  const spelled = prefix ? `0x and ${length * 2}` : `${length * 2}`;
  const digits = prefix && text.startsWith("0x") ? text.slice(2) : text;
  const isWhole = digits.length === length * 2 && /^[0-9a-f]*$/.test(digits);
  if (!isWhole || (prefix && !text.startsWith("0x"))) {
    throw malformed(`${what} must be ${spelled} lower-case hex digits`);
  }
  return digits;
}

/** Spell an address with its EIP-55 checksum. */
export function formatAddress(address: Hex): string {
  const check = keccak256(utf8ToBytes(address));
  const spelled = [...address].map((digit, at) => (check[at]! >= "8" ? digit.toUpperCase() : digit));
  return "0x" + spelled.join("");
}

/** Read an address as a person types it: one case throughout, or with a correct checksum. */
export function parseAddress(text: string, what: string): Hex {
  const digits = text.slice(2);
  if (!text.startsWith("0x") || !/^[0-9a-fA-F]{40}$/.test(digits)) {
    throw malformed(`${what} must be 0x and 40 hex digits`);
  }
  const address = digits.toLowerCase();
  const isPlain = digits === address || digits === digits.toUpperCase();
  if (!isPlain && text !== formatAddress(address)) {
    throw malformed(
      `${what} ${text} fails its EIP-55 checksum`,
      "copy it again; a digit or a letter's case differs",
    );
  }
  return address;
}
