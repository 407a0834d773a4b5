/** What was given: which dropped file is what, and what was typed into the fields. */

import { encodeUtf8, formatAddress, type Hex, parseAddress, parseHex, sha256 } from "../bytes.ts";
import type { PolicySource } from "../report_json.ts";
import { malformed } from "../errors.ts";
import { MAX_RECEIPT_BYTES } from "../receipt.ts";
import type { Digests } from "../record.ts";
import { expectedCodeHash, REGISTRY } from "../release.ts";
import { areDistinct, parseNodeUrl } from "../json_rpc.ts";
import { DEFAULT_TOLERANCE, MAX_NODES, type TrustEntry } from "../policy.ts";
import { find } from "./elements.ts";
import type { Say } from "./report.ts";

export type Kind = "file" | "receipt" | "policy";

/** What counts as the verifier's policy, and where it came from. */
export interface Policy extends PolicySource {
  readonly entries: readonly TrustEntry[];
}

/** A field that is not filled in as it has to be; `id` names it. */
export class FieldProblem extends Error {
  constructor(
    readonly id: string,
    message: string,
  ) {
    super(message);
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
  if (file.name.endsWith(".anchor.json")) {
    return "receipt";
  }
  if (file.size > MAX_RECEIPT_BYTES) {
    return "file";
  }
  const start = await file.slice(0, 4096).text();
  if (/^\s*\{\s*"format"\s*:\s*"anchor-receipt\//.test(start)) {
    return "receipt";
  }
  return /^format\s*=\s*["']anchor-trust\//m.test(start) ? "policy" : "file";
}

/** Return the digest that was typed; null for none. */
export function readDigest(say: Say): Digests | null {
  const text = typed("digest");
  if (!text) {
    return null;
  }
  const [, algorithm = "sha256:", digits] = /^(sha256:|sm3:)?([0-9a-fA-F]{64})$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new FieldProblem("digest", say("baddigest"));
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
  return inField("hashes", () => lines("hashes").map((text) => parseHex(text.toLowerCase(), 32, text, true)));
}

/** Return the chains that were named. */
export function readChainIds(say: Say): number[] {
  return inField("chains", () => lines("chains").map((text) => asNumber(text, say("badchains"))));
}

/** Return the nodes that were typed, and how many of them have to agree (null: not said). */
export function readNodes(say: Say): { rpc: string[]; quorum: number | null } {
  return inField("nodes", () => {
    const rpc = lines("nodes");
    rpc.forEach(parseNodeUrl);
    if (!areDistinct(rpc)) {
      throw malformed(say("twice"));
    }
    if (rpc.length > MAX_NODES) {
      throw malformed(`${rpc.length} > ${MAX_NODES}`);
    }
    const quorum = typed("quorum") ? readNumber("quorum", say, say("quorum")) : null;
    if (quorum !== null && (quorum < 1 || (rpc.length > 0 && quorum > rpc.length))) {
      throw malformed(say("badquorum", { n: quorum, nodes: rpc.length }));
    }
    return { rpc, quorum };
  });
}

/** Return what was typed instead of a policy file; null for nothing. */
export function readPins(say: Say): Policy | null {
  return inField("policy", () => {
    if (!["chain", "owner", "log", "registry"].some(typed)) {
      return null;
    }
    if (!typed("chain") || !typed("owner")) {
      throw malformed(say("noowner"));
    }
    const chainId = readNumber("chain", say, say("chain"));
    const registry = typed("registry") ? parseAddress(typed("registry"), say("registry")) : REGISTRY;
    const owner = parseAddress(typed("owner"), say("owner"));
    const log = typed("log") ? readNumber("log", say, say("log")) : 0;
    const file = `chain ${chainId}, log ${log} of owner ${formatAddress(owner)}, registry ${formatAddress(registry)}`;
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
      finality: "finalized",
      rpc: [],
      quorum: 1,
      assurance: "rpc",
      blockHashes: [],
    };
    return { entries: [entry], file, sha256: sha256(encodeUtf8(file)), source: "option" };
  });
}

const readNumber = (id: string, say: Say, what: string) => asNumber(typed(id), say("badnumber", { what }));

function asNumber(text: string, complaint: string): number {
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
    throw new FieldProblem(id, (error as Error).message);
  }
}
