/** Receipts (`anchor-receipt/1`): a self-contained proof for one record (anchor/receipt/format.py). */

import { encodeUtf8, fromHex, type Hex } from "./bytes.ts";
import { type Json, type Members, parseStrict } from "./canonical.ts";
import { malformed, unknownVersion } from "./errors.ts";
import { MAX_HEADER_BYTES } from "./header.ts";
import { MAX_PATH } from "./merkle.ts";
import { message, type Message } from "./messages.ts";
import { asInteger, asList } from "./members.ts";
import { MAX_NODE_BYTES, MAX_NODES } from "./trie.ts";
import { MAX_RECORD_BYTES } from "./record.ts";
import type { BeaconProof, StateProof, SuccessorProof } from "./state_proof.ts";
import { cut } from "./text.ts";

const FORMAT = "anchor-receipt/1";
export const MAX_RECEIPT_BYTES = 1 << 20;
const MAX_ANCHORS = 16;
export const MAX_LOG_SIZE = 2 ** 48 - 1;

/** A root, how many leaves are claimed under it, and the record's path to it. */
export interface Head {
  readonly root: Hex;
  readonly size: number;
  readonly path: readonly Hex[];
}

/** One anchored head; `sequence`, `blockNumber` and `timestamp` must be what the registry says. */
export interface ReceiptAnchor {
  readonly chainId: number;
  readonly registry: Hex;
  readonly head: Head;
  readonly sequence: number;
  readonly blockNumber: number;
  readonly timestamp: number;
  readonly state: StateProof | null;
}

/** One parsed receipt: with anchors or, while there is none, with the operator's promise. */
export interface Receipt {
  readonly record: string;
  readonly log: Hex;
  readonly index: number;
  readonly promise: Head | null;
  readonly anchors: readonly ReceiptAnchor[];
}

/** Read a receipt's bytes, strictly and within bounds. */
export function parseReceipt(data: Uint8Array): Receipt {
  const value = parseStrict(data, message("receipt-subject"), MAX_RECEIPT_BYTES);
  if (!(value instanceof Map) || !value.has("format")) {
    throw malformed(message("receipt-not-object"));
  }
  if (value.get("format") !== FORMAT) {
    const stated = cut(String(value.get("format")));
    throw unknownVersion(message("receipt-format-unknown", { stated, expected: FORMAT }));
  }
  const [anchors, hasHead] = [value.get("anchors"), value.has("head")];
  if (Array.isArray(anchors) && hasHead === anchors.length > 0) {
    throw malformed(hasHead ? message("receipt-head-superfluous") : message("receipt-head-missing"));
  }
  const members = new Reader(value, "");
  members.allow(["format", "record", "log", "index", "anchors"], ["head"]);
  return {
    record: readRecordText(members),
    log: members.hex("log", 32, "0x"),
    index: members.integer("index", 0, MAX_LOG_SIZE - 1),
    promise: hasHead ? readPromise(members.object("head")) : null,
    anchors: members.list("anchors", 0, MAX_ANCHORS).map((anchor, at) =>
      readAnchor(asReader(anchor, `anchors.${at}`)),
    ),
  };
}

/** Return the text of a receipt's record, which is parsed later. */
export function readRecordText(members: Reader): string {
  const record = members.get("record");
  if (typeof record !== "string") {
    throw refuse("record", message("value-not-string"));
  }
  if (encodeUtf8(record).length > MAX_RECORD_BYTES) {
    throw malformed(message("receipt-record-too-long", { limit: MAX_RECORD_BYTES }));
  }
  return record;
}

/** Read a promised head; `isShared`: of several receipts, without the path of one. */
export function readPromise(head: Reader, isShared = false): Head {
  head.allow(isShared ? ["size", "root"] : ["size", "root", "path"]);
  return readHead(head, isShared);
}

function readHead(members: Reader, isShared: boolean): Head {
  return {
    size: members.integer("size", 1, MAX_LOG_SIZE),
    root: members.hex("root", 32),
    path: isShared ? [] : members.path(),
  };
}

/** Read an anchor; `isShared`: of several receipts, without the path of one. */
export function readAnchor(members: Reader, isShared = false): ReceiptAnchor {
  members.allow(
    [
      "chain_id", "registry", "size", "root", ...(isShared ? [] : ["path"]), "sequence", "block_number",
      "timestamp",
    ],
    ["hints", "state"],
  );
  if (members.has("hints")) {
    const hints = members.object("hints"); // nothing rests on them
    hints.allow(["tx_hash", "block_hash"]);
    hints.hex("tx_hash", 32, "0x");
    hints.hex("block_hash", 32, "0x");
  }
  return {
    chainId: members.integer("chain_id", 1, Number.MAX_SAFE_INTEGER),
    registry: members.hex("registry", 20, "0x"),
    head: readHead(members, isShared),
    sequence: members.integer("sequence", 1, 2 ** 40 - 1),
    blockNumber: members.integer("block_number", 0, 2 ** 48 - 1),
    timestamp: members.integer("timestamp", 0, 2 ** 48 - 1),
    state: members.has("state") ? readState(members.object("state"), isShared) : null,
  };
}

const BLOCK_PROOF = ["header", "account_proof", "storage_proof"];

function readState(members: Reader, isShared: boolean): StateProof {
  members.allow(BLOCK_PROOF, ["operator_proof", "successor", ...(isShared ? [] : ["beacon"])]);
  return {
    ...readBlockProof(members),
    operatorProof: members.has("operator_proof") ? members.nodes("operator_proof") : [],
    successor: members.has("successor") ? readSuccessor(members.object("successor")) : null,
    beacon: members.has("beacon") ? readBeacon(members.object("beacon")) : null,
  };
}

/** Read the proof of an earlier block's hash. */
export function readBeacon(members: Reader): BeaconProof {
  members.allow(BLOCK_PROOF);
  return readBlockProof(members);
}

function readBlockProof(members: Reader): BeaconProof {
  const header = readHex(members.get("header")!, members.where("header"), 1, MAX_HEADER_BYTES, "0x");
  return {
    header: fromHex(header),
    accountProof: members.nodes("account_proof"),
    storageProof: members.nodes("storage_proof"),
  };
}

function readSuccessor(members: Reader): SuccessorProof {
  members.allow(["proof"], ["takeover"]);
  const takeover = members.has("takeover") ? members.object("takeover") : null;
  takeover?.allow(["root", "proof"]);
  return {
    proof: members.nodes("proof"),
    takeover: takeover && { root: takeover.hex("root", 32), proof: takeover.nodes("proof") },
  };
}

/** The members of one object of the receipt; what is misshapen is refused with its place. */
export class Reader {
  constructor(
    private readonly members: Members,
    private readonly place: string,
  ) {}

  where(name: string): string {
    return this.place ? `${this.place}.${name}` : name;
  }

  has(name: string): boolean {
    return this.members.has(name);
  }

  get(name: string): Json | undefined {
    return this.members.get(name);
  }

  /** Refuse a required member that is missing, and any that is not named. */
  allow(required: readonly string[], optional: readonly string[] = []): void {
    for (const name of required) {
      if (!this.has(name)) {
        throw refuse(this.where(name), message("member-required"));
      }
    }
    for (const name of this.members.keys()) {
      if (!required.includes(name) && !optional.includes(name)) {
        throw refuse(this.where(name), message("member-superfluous"));
      }
    }
  }

  integer(name: string, least: number, most: number): number {
    return asInteger(this.get(name), least, most, (reason) => refuse(this.where(name), reason));
  }

  hex(name: string, length: number, prefix = ""): Hex {
    return readHex(this.get(name)!, this.where(name), length, length, prefix);
  }

  list(name: string, least: number, most: number): Json[] {
    return asList(this.get(name), least, most, (reason) => refuse(this.where(name), reason));
  }

  path(): Hex[] {
    return this.list("path", 0, MAX_PATH).map((node, at) =>
      readHex(node, this.where(`path.${at}`), 32, 32),
    );
  }

  nodes(name: string): Uint8Array[] {
    return this.list(name, 1, MAX_NODES).map((node, at) =>
      fromHex(readHex(node, this.where(`${name}.${at}`), 1, MAX_NODE_BYTES, "0x")),
    );
  }

  object(name: string): Reader {
    return asReader(this.get(name)!, this.where(name));
  }
}

function asReader(value: Json, place: string): Reader {
  if (!(value instanceof Map)) {
    throw refuse(place, message("value-not-dictionary"));
  }
  return new Reader(value, place);
}

function readHex(value: Json, place: string, least: number, most: number, prefix = ""): Hex {
  const digits = typeof value === "string" && value.startsWith(prefix) ? value.slice(prefix.length) : "-";
  if (!/^[0-9a-f]*$/.test(digits) || digits.length % 2 || digits.length < least * 2 || digits.length > most * 2) {
    throw refuse(place, prefix
      ? message("page-value-not-prefixed-hex", { least, most })
      : message("page-value-not-hex", { least, most }));
  }
  return digits;
}

function refuse(place: string, reason: Message) {
  const member = cut(place);
  return malformed(message("receipt-member-invalid", { member, reason }));
}
