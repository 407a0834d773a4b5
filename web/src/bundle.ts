/** Bundles (`anchor-receipts/1`): receipts of one log in one file, line by line (anchor/receipt/bundle.py). */

import { concat, encodeUtf8, type Hex } from "./bytes.ts";
import { type Members, parseStrict } from "./canonical.ts";
import { isRefusal, malformed, MALFORMED, mismatch, MISMATCH, Refusal, unknownVersion } from "./errors.ts";
import { foldPath, half, hashLeaf, sidesOf } from "./merkle.ts";
import { message } from "./messages.ts";
import {
  type Head, MAX_LOG_SIZE, readAnchor, readBeacon, Reader, readPromise, readRecordText, type Receipt,
  type ReceiptAnchor,
} from "./receipt.ts";
import { type Digests, parseRecord } from "./record.ts";
import type { BeaconProof } from "./state_proof.ts";
import { checkFile } from "./steps.ts";
import { cut } from "./text.ts";

const FORMAT = "anchor-receipts/1";
const MAX_LINE_BYTES = 1 << 20;
const LINE_FEED = 10;

/** Tell by its first line whether what begins with these bytes is a bundle, of any version. */
export function isBundle(data: Uint8Array): boolean {
  try {
    return isHeader(parseLine(data.subarray(0, data.indexOf(LINE_FEED) + 1 || data.length)));
  } catch {
    return false;
  }
}

const isHeader = (members: Members) => String(members.get("format")).startsWith("anchor-receipts/");

/** Yield the receipts of a bundle; a fault further below comes after those before it. */
export async function* readBundle(file: Blob): AsyncGenerator<Receipt> {
  let number = 0;
  let reader: BundleReader | null = null;
  try {
    for await (const line of readLines(file)) {
      number += 1;
      if (reader === null) {
        reader = new BundleReader(line);
        continue;
      }
      const receipt = reader.take(line);
      if (receipt) {
        yield receipt;
      }
    }
    reader ??= new BundleReader(new Uint8Array());
    reader.checkComplete();
  } catch (error) {
    if (isRefusal(error, MALFORMED) || isRefusal(error, MISMATCH)) {
      throw new Refusal(error.code, message("bundle-line-invalid", { line: number || 1, reason: error.reason }));
    }
    throw error;
  }
}

/** Yield the lines with their line feeds; of a line that is too long, as much as tells that. */
async function* readLines(file: Blob): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for (let at = 0; at < file.size && rest.length <= MAX_LINE_BYTES; at += MAX_LINE_BYTES) {
    const data = concat(rest, new Uint8Array(await file.slice(at, at + MAX_LINE_BYTES).arrayBuffer()));
    let start = 0;
    for (let end = data.indexOf(LINE_FEED); end >= 0; end = data.indexOf(LINE_FEED, start)) {
      yield data.subarray(start, end + 1);
      start = end + 1;
    }
    rest = data.subarray(start);
  }
  if (rest.length > 0) {
    yield rest;
  }
}

/** Puts the receipts together; keeps the last anchor and the last path only. */
class BundleReader {
  private readonly log: Hex;
  private readonly expected: number;
  private taken = 0;
  private index = -1;
  private anchor: ReceiptAnchor | null = null;
  private promise: Head | null = null;
  private beacon: BeaconProof | null = null;
  private isBeaconUsed = true;
  /** The path before, and the hash after each of its steps. */
  private before: { path: readonly Hex[]; nodes: readonly Hex[] } | null = null;

  constructor(line: Uint8Array) {
    checkEnd(line);
    const members = parseLine(line);
    if (!isHeader(members)) {
      throw malformed(message("bundle-header-missing"));
    }
    if (members.get("format") !== FORMAT) {
      const stated = cut(String(members.get("format")));
      throw unknownVersion(message("bundle-format-unknown", { stated, expected: FORMAT }));
    }
    const header = new Reader(members, "");
    header.allow(["format", "log", "count"]);
    this.log = header.hex("log", 32, "0x");
    this.expected = header.integer("count", 1, MAX_LOG_SIZE);
  }

  take(line: Uint8Array): Receipt | null {
    checkEnd(line);
    const members = parseLine(line);
    if (this.taken === this.expected) {
      throw malformed(message("bundle-surplus", { expected: this.expected }));
    }
    if (members.has("anchor") || members.has("head")) {
      this.begin(new Reader(members, ""), members.has("anchor") ? "anchor" : "head");
      return null;
    }
    if (!members.has("record") && members.has("beacon")) {
      this.beginBeacon(new Reader(members, ""));
      return null;
    }
    return this.complete(new Reader(members, ""));
  }

  checkComplete(): void {
    if (this.taken < this.expected) {
      throw malformed(message("bundle-incomplete", { count: this.taken, expected: this.expected }));
    }
  }

  private begin(line: Reader, name: "anchor" | "head"): void {
    if (this.before === null && (this.anchor ?? this.promise)) {
      throw malformed(message("bundle-anchor-unused"));
    }
    this.endBeacon();
    line.allow([name]);
    const isAnchor = name === "anchor";
    this.anchor = isAnchor ? readAnchor(line.object(name), true) : null;
    this.promise = isAnchor ? null : readPromise(line.object(name), true);
    this.before = null;
  }

  private beginBeacon(line: Reader): void {
    this.endBeacon();
    line.allow(["beacon"]);
    const beacon = readBeacon(line.object("beacon"));
    if (!this.anchor?.state) {
      throw malformed(message("bundle-beacon-without-state"));
    }
    [this.beacon, this.isBeaconUsed] = [beacon, false];
  }

  private endBeacon(): void {
    if (!this.isBeaconUsed) {
      throw malformed(message("bundle-beacon-unused"));
    }
    this.beacon = null;
  }

  /** Return the anchor with the beacon that a receipt refers to. */
  private addBeacon(): ReceiptAnchor {
    const { anchor, beacon } = this;
    if (beacon === null || !anchor?.state) {
      throw malformed(message("bundle-beacon-missing"));
    }
    this.isBeaconUsed = true;
    return { ...anchor, state: { ...anchor.state, beacon } };
  }

  private complete(line: Reader): Receipt {
    line.allow(["record", "index", "path"], ["beacon"]);
    if (line.has("beacon") && line.get("beacon") !== true) {
      throw malformed(message("receipt-member-invalid", { member: "beacon", reason: message("value-not-true") }));
    }
    const [record, index, own] = [readRecordText(line), line.integer("index", 0, MAX_LOG_SIZE - 1), line.path()];
    const shared = this.anchor?.head ?? this.promise;
    if (shared === null) {
      throw malformed(message("bundle-anchor-missing"));
    }
    if (index <= this.index) {
      throw malformed(message("bundle-index-order", { index, previous: this.index }));
    }
    const anchor = line.has("beacon") ? this.addBeacon() : this.anchor;
    const head: Head = { ...shared, path: this.completePath(own, index, shared.size) };
    this.before = { path: head.path, nodes: this.fold(hashLeaf(encodeUtf8(record)), index, head, own.length) };
    this.index = index;
    this.taken += 1;
    return {
      record, log: this.log, index, promise: anchor ? null : head,
      anchors: anchor ? [{ ...anchor, head }] : [],
    };
  }

  /**
   * Add to a line's own hashes those that the receipt before gives.
   *
   * Of the two leaves' lowest common node the earlier is on the left, below a complete tree: the
   * hash of that is the sibling, and above it both paths are the same.
   */
  private completePath(own: readonly Hex[], index: number, size: number): Hex[] {
    let expected: number;
    try {
      expected = sidesOf(index, size).length;
    } catch (error) {
      throw isRefusal(error) ? malformed(error.reason) : error;
    }
    let given: Hex[] = [];
    if (this.before) {
      const level = this.level(index);
      given = [this.before.nodes[level]!, ...this.before.path.slice(level + 1)];
    }
    if (own.length + given.length !== expected) {
      throw malformed(message("bundle-path-length", { actual: own.length, expected: expected - given.length }));
    }
    return [...own, ...given];
  }

  /** Return the hash after each step: up to where the path before goes on, which leads to the root. */
  private fold(leaf: Hex, index: number, { path, root, size }: Head, own: number): Hex[] {
    const { before } = this;
    const joint = before ? this.level(index) + 1 : 0;
    const nodes = foldPath(leaf, index, size, path, before ? own + 1 : path.length);
    if (nodes.at(-1) !== (before ? before.nodes[joint] : root)) {
      throw mismatch(message("path-root-differs"));
    }
    return before ? [...nodes, ...before.nodes.slice(joint + 1)] : nodes;
  }

  /** Return after how many steps the path before meets that of a later leaf. */
  private level(later: number): number {
    let level = 0;
    for (let [a, b] = [half(this.index), half(later)]; a !== b; [a, b] = [half(a), half(b)]) {
      level += 1;
    }
    return level;
  }
}

function parseLine(line: Uint8Array): Members {
  const members = parseStrict(line, message("bundle-line-subject"), MAX_LINE_BYTES);
  if (!(members instanceof Map)) {
    throw malformed(message("bundle-line-not-object"));
  }
  return members;
}

function checkEnd(line: Uint8Array): void {
  if (line.length <= MAX_LINE_BYTES && line.at(-1) !== LINE_FEED) {
    throw malformed(message("bundle-line-unended"));
  }
}

/**
 * Return the receipt of a file from a bundle, which is read to its end; null if there is none.
 *
 * Of the receipts that pass step 2 it is the first with the file's name, else the first of all;
 * where none passes, the first with the file's name, so that step 2 shows the difference.
 */
export async function chooseReceipt(bundle: Blob, name: string, evidence: Digests): Promise<Receipt | null> {
  const marks = [evidence.sha256, evidence.sm3, name && JSON.stringify(name).slice(1)].filter((mark) => mark);
  let [best, chosen]: [number, Receipt | null] = [0, null];
  for await (const receipt of readBundle(bundle)) {
    // A record is parsed only if it can be of the file.
    const rank = marks.some((mark) => receipt.record.includes(mark!)) ? rankRecord(receipt.record, name, evidence) : 0;
    if (rank > best) {
      [best, chosen] = [rank, receipt];
    }
  }
  return chosen;
}

function rankRecord(text: string, name: string, evidence: Digests): number {
  try {
    const record = parseRecord(text);
    const hasName = name !== "" && record.name.split("/").at(-1) === name;
    try {
      checkFile(evidence, record);
      return hasName ? 3 : 2;
    } catch {
      return hasName ? 1 : 0;
    }
  } catch {
    return 0; // a malformed record is no file's
  }
}
