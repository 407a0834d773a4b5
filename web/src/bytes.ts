/** Bytes, and how they are spelled. Hashes and addresses are bare lower-case hex inside. */

import { keccak_256 } from "@noble/hashes/sha3.js";
import { sha256 as hashSha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { malformed } from "./errors.ts";
import { message, type Text } from "./messages.ts";

export type Hex = string;

export { bytesToHex as toHex, concatBytes as concat, hexToBytes as fromHex, utf8ToBytes as encodeUtf8 };

export const sha256 = (data: Uint8Array): Hex => bytesToHex(hashSha256(data));
export const keccak256 = (data: Uint8Array): Hex => bytesToHex(keccak_256(data));

/** Decode `length` bytes of lower-case hex: with 0x before it (Ethereum values), or without. */
export function parseHex(text: string, length: number, subject: Text, prefix: boolean): Hex {
  const count = length * 2;
  const digits = prefix && text.startsWith("0x") ? text.slice(2) : text;
  const isWhole = digits.length === count && /^[0-9a-f]*$/.test(digits);
  if (!isWhole || (prefix && !text.startsWith("0x"))) {
    throw malformed(prefix
      ? message("hex-with-prefix-malformed", { subject, count })
      : message("hex-malformed", { subject, count }));
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
export function parseAddress(text: string, subject: Text): Hex {
  const digits = text.slice(2);
  if (!text.startsWith("0x") || !/^[0-9a-fA-F]{40}$/.test(digits)) {
    throw malformed(message("address-malformed", { subject }));
  }
  const address = digits.toLowerCase();
  const isPlain = digits === address || digits === digits.toUpperCase();
  if (!isPlain && text !== formatAddress(address)) {
    throw malformed(
      message("address-checksum-wrong", { subject, address: text }),
      message("address-checksum-hint"),
    );
  }
  return address;
}
