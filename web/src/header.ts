/** Block headers: what a block's hash commits to (Yellow Paper, section 4.4; anchor/ethereum/header.py). */

import { type Hex, keccak256, toHex } from "./bytes.ts";
import { malformed, unknownVersion } from "./errors.ts";
import { message } from "./messages.ts";
import { decodeRlp, parseBytes, parseInteger, type RlpItem } from "./rlp.ts";

export const MAX_HEADER_BYTES = 8192;

/** What a verifier needs of a header; `timestamp` in Unix seconds. */
export interface Header {
  readonly hash: Hex;
  readonly number: bigint;
  readonly timestamp: bigint;
  readonly stateRoot: Hex;
  /** How many items are of a fork that this release does not know. */
  readonly unknownItems: number;
}

// Each item's name in JSON-RPC and its length: bytes exactly, or, negative, at most bits of an
// integer; 0 for any bytes.
const ITEMS: readonly (readonly [string, number])[] = [
  ["parentHash", 32], ["sha3Uncles", 32], ["miner", 20], ["stateRoot", 32],
  ["transactionsRoot", 32], ["receiptsRoot", 32], ["logsBloom", 256], ["difficulty", -256],
  ["number", -64], ["gasLimit", -64], ["gasUsed", -64], ["timestamp", -64], ["extraData", 0],
  ["mixHash", 32], ["nonce", 8], ["baseFeePerGas", -256], ["withdrawalsRoot", 32],
  ["blobGasUsed", -64], ["excessBlobGas", -64], ["parentBeaconBlockRoot", 32],
  ["requestsHash", 32],
];

// Before London, London (and Paris), Shanghai, Cancun; Prague and later have these at least.
const SHAPES = [15, 16, 17, 20];
// Amsterdam adds blockAccessListHash (EIP-7928) and slotNumber (EIP-7843).
const KNOWN_ITEMS = ITEMS.length + 2;

/** Read a header's RLP; its hash is that of these very bytes. */
export function parseHeader(encoded: Uint8Array): Header {
  const items = decodeRlp(encoded, message("block-header"), MAX_HEADER_BYTES);
  if (items instanceof Uint8Array) {
    throw malformed(message("header-not-list"));
  }
  if (items.length < ITEMS.length && !SHAPES.includes(items.length)) {
    throw unknownVersion(
      message("header-size-of-no-fork", { count: items.length }),
      message("release-too-old-hint"),
    );
  }
  // What later forks add is covered by the hash, and keeps the places of what is read here.
  const found = items.slice(0, ITEMS.length).map((item, at) => parseItem(item, ...ITEMS[at]!));
  return {
    hash: keccak256(encoded),
    number: BigInt("0x0" + found[8]),
    timestamp: BigInt("0x0" + found[11]),
    stateRoot: found[3]!,
    unknownItems: Math.max(0, items.length - KNOWN_ITEMS),
  };
}

function parseItem(item: RlpItem, name: string, length: number): Hex {
  const subject = message("header-item", { name });
  if (!(item instanceof Uint8Array)) {
    throw malformed(message("value-unexpected-list", { subject }));
  }
  if (length < 0) {
    parseInteger(item, subject, -length);
  } else if (length > 0) {
    parseBytes(item, subject, length);
  }
  return toHex(item);
}
