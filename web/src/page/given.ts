/** What was given: which dropped file is what, and what was typed into the fields. */

import { encodeUtf8, formatAddress, type Hex, parseAddress, parseHex, sha256 } from "../bytes.ts";
import type { PolicySource } from "../report_json.ts";
import { isRefusal, malformed } from "../errors.ts";
import { message, type Message, type Text } from "../messages.ts";
import { MAX_RECEIPT_BYTES } from "../receipt.ts";
import type { Digests } from "../record.ts";
import { expectedCodeHash, kindOf, REGISTRY } from "../release.ts";
import { areDistinct, parseNodeUrl } from "../json_rpc.ts";
import { DEFAULT_TOLERANCE, MAX_NODES, type TrustEntry } from "../policy.ts";
import { cut, quote } from "../text.ts";
import { find } from "./elements.ts";

export type Kind = "file" | "receipt" | "policy";

/** What counts as the verifier's policy, and where it came from. */
export interface Policy extends Omit<PolicySource, "file"> {
  readonly entries: readonly TrustEntry[];
  readonly file: Text;
}

/** A field that is not filled in as it has to be; `id` names it. */
export class FieldProblem extends Error {
  constructor(
    readonly id: string,
    readonly reason: Message,
  ) {
    super(reason.text);
  }
}

/** Let no browser complete or correct what is typed: it is hex and URLs. */
export function prepareFields(): void {
  for (const field of document.querySelectorAll("input:not([type]), textarea")) {
    field.classList.add("mono");
    field.setAttribute("autocomplete", "off");
    field.setAttribute("spellcheck", "false");
  }
}

export const typed = (id: string): string =>
  find<HTMLInputElement | HTMLTextAreaElement>(id).value.trim();

const lines = (id: string): string[] => typed(id).split(/[\s,]+/).filter(Boolean);

/**
 * Tell what a dropped file looks like, by its name or its first words; what is neither is evidence.
 * What looks like a policy may be evidence as well, or the other side's: that the person has to say.
 */
export async function sortFile(file: File): Promise<Kind> {
  if (/\.anchor\.jsonl?$/.test(file.name)) {
    return "receipt";
  }
  const start = await file.slice(0, 4096).text();
  if (/^\s*\{\s*"format"\s*:\s*"anchor-receipts\//.test(start)) {
    return "receipt";
  }
  if (file.size > MAX_RECEIPT_BYTES) {
    return "file";
  }
  if (/^\s*\{\s*"format"\s*:\s*"anchor-receipt\//.test(start)) {
    return "receipt";
  }
  return /^format\s*=\s*["']anchor-trust\//m.test(start) ? "policy" : "file";
}

/** Tell whether a file has a name under which certificates are saved. */
export const isCertificate = (name: string): boolean =>
  /^AC-(\d{8}-)?[0-9A-F]{16}|\.certificate\.(pdf|html|json)$/.test(name);

/** Return the digest that was typed; null for none. */
export function readDigest(): Digests | null {
  const text = typed("digest");
  if (!text) {
    return null;
  }
  const [, algorithm = "sha256:", digits] = /^(sha256:|sm3:)?([0-9a-fA-F]{64})$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new FieldProblem("digest", message("page-digest-invalid"));
  }
  const digest = digits.toLowerCase();
  const isSm3 = algorithm === "sm3:";
  return { sha256: isSm3 ? null : digest, sm3: isSm3 ? digest : null, size: null };
}

/** Return the pasted receipt; null for none. */
export function readPasted(): Uint8Array | null {
  // As it stands: blanks around it are for the reader of receipts to take or not.
  const { value } = find<HTMLTextAreaElement>("receipt-text");
  return value.trim() ? encodeUtf8(value) : null;
}

/** Return the block hashes that were typed. */
export function readBlockHashes(): Hex[] {
  return inField("hashes", () => lines("hashes").map((text) => parseHex(text.toLowerCase(), 32, quote(cut(text)), true)));
}

/** Return the chains that were named. */
export function readChainIds(): number[] {
  return inField("chains", () => lines("chains").map((text) => asNumber(text, message("page-chains-invalid"))));
}

/** Return the nodes that were typed, and how many of them have to agree (null: not said). */
export function readNodes(): { rpc: string[]; quorum: number | null } {
  return inField("nodes", () => {
    const rpc = lines("nodes");
    rpc.forEach(parseNodeUrl);
    if (!areDistinct(rpc)) {
      throw malformed(message("page-node-twice"));
    }
    if (rpc.length > MAX_NODES) {
      throw malformed(message("page-nodes-too-many", { count: rpc.length, limit: MAX_NODES }));
    }
    const quorum = typed("quorum") ? readNumber("quorum", message("page-quorum")) : null;
    if (quorum !== null && (quorum < 1 || (rpc.length > 0 && quorum > rpc.length))) {
      throw malformed(message("page-quorum-invalid", { quorum, nodes: rpc.length }));
    }
    return { rpc, quorum };
  });
}

/** Return what was typed instead of a policy file; null for nothing. */
export function readPins(): Policy | null {
  return inField("policy", () => {
    if (!["chain", "owner", "log", "registry"].some(typed)) {
      return null;
    }
    if (!typed("chain") || !typed("owner")) {
      throw malformed(message("page-owner-missing"));
    }
    const chainId = readNumber("chain", message("page-chain"));
    const registry = typed("registry") ? parseAddress(typed("registry"), message("page-registry")) : REGISTRY;
    const owner = parseAddress(typed("owner"), message("page-owner"));
    const log = typed("log") ? readNumber("log", message("page-log")) : 0;
    const file = message("page-policy-typed", {
      chain: chainId,
      number: log,
      owner: formatAddress(owner),
      registry: formatAddress(registry),
    });
    const entry: TrustEntry = {
      chainId,
      genesis: null,
      registry,
      codeHash: expectedCodeHash(chainId),
      owner,
      logs: [log],
      operators: null,
      timeSlack: null,
      recordedAtTolerance: DEFAULT_TOLERANCE,
      // A development chain proves no time, and its node may name no final block.
      finality: kindOf(chainId) === "development" ? 0 : "finalized",
      rpc: [],
      quorum: 1,
      assurance: "rpc",
      blockHashes: [],
    };
    return { entries: [entry], file, sha256: sha256(encodeUtf8(file.text)), source: "option" };
  });
}

const readNumber = (id: string, field: Message) =>
  asNumber(typed(id), message("page-number-invalid", { field }));

function asNumber(text: string, complaint: Message): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw malformed(complaint);
  }
  return value;
}

/** Run `read`; what it refuses is told at the field. */
export function inField<Value>(id: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw isRefusal(error) ? new FieldProblem(id, error.reason) : error;
  }
}
