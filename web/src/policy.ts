/** The trust policy (`anchor-trust/1`): what the verifier pins, outside any receipt (anchor/verification/policy.py). */

import { type Hex, parseAddress, parseHex } from "./bytes.ts";
import { decodeUtf8 } from "./canonical.ts";
import { malformed, unknownVersion } from "./errors.ts";
import { areDistinct, isNodeUrl } from "./json_rpc.ts";
import { asInteger, asList } from "./members.ts";
import { join, message, type Message } from "./messages.ts";
import { cut, quote } from "./text.ts";
import { parseToml, type Table, type Toml } from "./toml.ts";

const FORMAT = "anchor-trust/1";
export const MAX_POLICY_BYTES = 1 << 20;
export const MAX_NODES = 16;
const MAX_BLOCK_HASHES = 1_000;
// How many seconds an operator's clock may be ahead of the chain's.
export const DEFAULT_TOLERANCE = 300;
const MAX_TIME_SLACK = 172_800;
const MAX_TOLERANCE = 86_400;
const MAX_TSAS = 32;
const MAX_SIGNERS = 256;
const NAME = /^[^\x00-\x1f\x7f]{1,80}$/u;
const SUBJECT = /^[^\x00-\x1f\x7f]{1,1000}$/u;
// PEM (RFC 7468) of a DER sequence, as anchor/timestamps/trusted_tsa.py has it.
const CERTIFICATES =
  /^\s*(?:-----BEGIN CERTIFICATE-----\s+M[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/;
// A line of a .pub file, as anchor/signatures/trusted_signer.py has it.
const SSH_KEY =
  /^([a-z0-9@.-]{1,64}) ((?:[A-Za-z0-9+/]{4}){1,4096}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)(?: [^\r\n]*)?$/;
export const ASSURANCES = ["rpc", "quorum", "asserted", "proof"];

/** An operator id that is accepted for anchors in blocks `fromBlock` to `untilBlock`. */
export interface TrustedOperator {
  readonly id: bigint;
  readonly fromBlock: number;
  readonly untilBlock: number;
}

/** `finalized`: the chain's own tag; a number: that many blocks on top. */
export type FinalityRule = "finalized" | number;

/** One owner's logs in one registry on one chain; `operators` null accepts whoever anchored. */
export interface TrustEntry {
  readonly chainId: number;
  readonly genesis: Hex | null;
  readonly registry: Hex;
  readonly codeHash: Hex;
  readonly owner: Hex;
  readonly logs: readonly number[];
  readonly operators: readonly TrustedOperator[] | null;
  /** Seconds; null takes the release's rule for the chain. */
  readonly timeSlack: number | null;
  readonly recordedAtTolerance: number;
  readonly finality: FinalityRule;
  readonly rpc: readonly string[];
  readonly quorum: number;
  readonly assurance: string;
  readonly blockHashes: readonly Hex[];
}

/** Read a trust policy. */
export function parsePolicy(data: Uint8Array): TrustEntry[] {
  if (data.length > MAX_POLICY_BYTES) {
    throw malformed(message("policy-too-long", { limit: MAX_POLICY_BYTES }));
  }
  const value = parseToml(decodeUtf8(data, message("page-policy")).replace(/^\ufeff/, ""));
  const format = value.get("format");
  if (format !== FORMAT) {
    const stated = typeof format === "string" ? quote(cut(format))
      : format === undefined ? message("page-value-missing") : message("policy-format-no-text");
    throw unknownVersion(message("policy-format-unknown", { stated, expected: FORMAT }));
  }
  const policy = new Reader(value, "");
  policy.allow(["format", "trust", "tsa", "signer"]);
  // Timestamps are for the package and for OpenSSL: here their authorities are read and not used.
  if (policy.has("tsa")) {
    policy.tables("tsa", 0, MAX_TSAS).forEach(checkAuthority);
  }
  // So are signatures for OpenSSH and OpenSSL.
  if (policy.has("signer")) {
    policy.tables("signer", 0, MAX_SIGNERS).forEach(checkSigner);
  }
  const entries = policy.tables("trust", 1).map(readEntry);
  // Asking for what this version does not know must not quietly get less. Last: what breaks the form is graver.
  for (const { assurance } of entries) {
    if (!ASSURANCES.includes(assurance)) {
      const [required, known] = [quote(cut(assurance)), join(ASSURANCES)];
      throw unknownVersion(message("policy-assurance-unknown", { required, known }));
    }
  }
  return entries;
}

function checkAuthority(authority: Reader): void {
  authority.allow(["name", "roots"]);
  checkText(authority, "name", NAME);
  checkRoots(authority.text("roots"));
}

function checkSigner(signer: Reader): void {
  signer.allow(["name", "ssh_key", "roots", "subject"]);
  checkText(signer, "name", NAME);
  const [key, roots, subject] = ["ssh_key", "roots", "subject"].map((name) => signer.has(name) ? signer.text(name) : null);
  if (subject !== null) {
    checkText(signer, "subject", SUBJECT);
  }
  const isKey = key !== null;
  if (isKey === (roots !== null) || isKey === (subject !== null)) {
    throw malformed(message("signer-key-ambiguous", { name: signer.text("name") }));
  }
  if (roots !== null) {
    checkRoots(roots!);
  } else if (!isSshKey(key!)) {
    throw malformed(message("signer-key-not-ssh"));
  }
}

/** Tell whether a key begins with its type, after four bytes for its length (RFC 4253, 6.6). */
function isSshKey(text: string): boolean {
  const [, type = "", key = ""] = SSH_KEY.exec(text) ?? [];
  return type !== "" && !type.includes("-cert-") && atob(key).startsWith(`\0\0\0${String.fromCharCode(type.length)}${type}`);
}

function checkText(table: Reader, name: string, form: RegExp): void {
  if (!form.test(table.text(name))) {
    throw refuse(table.where(name), message("value-pattern-differs", { pattern: form.source }));
  }
}

function checkRoots(roots: string): void {
  if (!CERTIFICATES.test(roots)) {
    throw malformed(message("tsa-roots-not-pem"));
  }
}

const ENTRY = [
  "chain_id", "genesis", "registry", "code_hash", "owner", "logs", "operators", "time_slack",
  "finality", "rpc", "quorum", "assurance", "block_hashes", "recorded_at_tolerance",
  "exclusive_logs",
];

function readEntry(entry: Reader): TrustEntry {
  entry.allow(ENTRY);
  const assurance = entry.text("assurance", "rpc");
  const rpc = entry.list("rpc", 0, MAX_NODES, []).map((url) => asText(url, entry.where("rpc")));
  const quorum = entry.integer("quorum", 1, MAX_NODES, Math.max(1, Math.min(2, rpc.length)));
  if (!rpc.every(isNodeUrl)) {
    throw refuseNodes(message("policy-rpc-no-url"));
  }
  if (rpc.length > 0 && quorum > rpc.length) {
    throw refuseNodes(message("quorum-above-node-count", { count: rpc.length, quorum }));
  }
  // One node would agree with itself, under whichever spelling.
  if (!areDistinct(rpc)) {
    throw refuseNodes(message("quorum-node-named-twice"));
  }
  if (typeof (entry.get("exclusive_logs") ?? false) !== "boolean") { // which `anchor audit` checks
    throw refuse(entry.where("exclusive_logs"), message("value-not-boolean"));
  }
  const logs = entry.list("logs", 1, Infinity).map((log) =>
    asInteger(log, 0, 2 ** 53 - 1, (reason) => refuse(entry.where("logs"), reason)));
  return {
    chainId: entry.integer("chain_id", 1, 2 ** 53 - 1),
    genesis: entry.hash("genesis", message("policy-genesis")),
    registry: parseAddress(entry.text("registry"), message("policy-registry")),
    codeHash: entry.hash("code_hash", message("policy-code-hash")),
    owner: parseAddress(entry.text("owner"), message("policy-owner")),
    logs,
    operators: entry.has("operators") ? entry.tables("operators").map(readOperator) : null,
    timeSlack: entry.has("time_slack") ? entry.integer("time_slack", 0, MAX_TIME_SLACK) : null,
    recordedAtTolerance: entry.integer("recorded_at_tolerance", 0, MAX_TOLERANCE, DEFAULT_TOLERANCE),
    finality: entry.is("finality", "finalized") ? "finalized" : entry.integer("finality", 0, 100_000),
    rpc,
    quorum,
    assurance,
    blockHashes: entry.list("block_hashes", 0, MAX_BLOCK_HASHES, []).map((text) =>
      parseHex(asText(text, entry.where("block_hashes")), 32, message("policy-block-hashes"), true),
    ),
  };
}

function readOperator(operator: Reader): TrustedOperator {
  operator.allow(["id", "from_block", "until_block"]);
  return {
    id: BigInt(operator.integer("id", 0, 2 ** 53 - 1)),
    fromBlock: operator.integer("from_block", 0, 2 ** 48 - 1, 0),
    untilBlock: operator.integer("until_block", 0, 2 ** 48 - 1, Infinity),
  };
}

/** The members of one table of the policy; what is misshapen is refused with its place. */
class Reader {
  constructor(
    private readonly table: Table,
    private readonly place: string,
  ) {}

  where(name: string): string {
    return this.place ? `${this.place}.${name}` : name;
  }

  has(name: string): boolean {
    return this.table.has(name);
  }

  get(name: string): Toml | undefined {
    return this.table.get(name);
  }

  is(name: string, value: string): boolean {
    return !this.has(name) || this.table.get(name) === value;
  }

  allow(names: readonly string[]): void {
    for (const name of this.table.keys()) {
      if (!names.includes(name)) {
        throw refuse(this.where(name), message("member-superfluous"));
      }
    }
  }

  text(name: string, missing?: string): string {
    return asText(this.table.get(name) ?? missing, this.where(name));
  }

  integer(name: string, least: number, most: number, missing?: number): number {
    return missing !== undefined && !this.has(name)
      ? missing
      : asInteger(this.table.get(name), least, most, (reason) => refuse(this.where(name), reason));
  }

  hash(name: string, subject: Message): Hex {
    return parseHex(this.text(name), 32, subject, true);
  }

  list(name: string, least: number, most: number, missing?: Toml[]): Toml[] {
    const value = this.table.get(name) ?? missing;
    return asList(value, least, most, (reason) => refuse(this.where(name), reason));
  }

  tables(name: string, least = 0, most = Infinity): Reader[] {
    return this.list(name, least, most).map((entry, at) => {
      const place = this.where(`${name}.${at}`);
      if (!(entry instanceof Map)) {
        throw refuse(place, message("value-not-dictionary"));
      }
      return new Reader(entry, place);
    });
  }
}

function asText(value: Toml | undefined, place: string): string {
  if (typeof value !== "string") {
    throw refuse(place, message("value-not-string"));
  }
  return value;
}

const refuseNodes = (reason: Message) => malformed(message("policy-rpc-invalid", { reason }));

function refuse(place: string, reason: Message) {
  const member = cut(place);
  return malformed(message("policy-member-invalid", { member, reason }));
}
