/** A bag on the page: a ZIP file or a dropped folder, and the reports on the originals in it. */

import {
  checkBag, digestManifest, enclosuresIn, type HashOriginal, listSignatures, policyIn, readReceipt, type ValidBag,
} from "../bag.ts";
import { type BagSource, checkName, checkNames, MANIFEST, MAX_FILES } from "../bag_format.ts";
import type { Hex } from "../bytes.ts";
import { judgeCustody, type PackedEvent, readEvents } from "../custody.ts";
import { hashPieces, startHashing } from "../digests.ts";
import { isRefusal, malformed, type Refusal } from "../errors.ts";
import { inLanguage, type Language, message, type Message, moment, type Text } from "../messages.ts";
import { listNotices, type Notice } from "../notices.ts";
import { describeTally, errorOf, gravestOfAll, headlineOf, isOfRealTime, isPlainPass, leadingAnchor, outcomeOf, outcomeOfError, toneOf, wordsOf } from "../report.ts";
import { describeRefusal, describeReports } from "../report_json.ts";
import type { Receipt } from "../receipt.ts";
import type { Digests } from "../record.ts";
import { checkCaptures, checkRecordedFiles } from "../recorded_files.ts";
import type { CheckFiles } from "../verifier.ts";
import { openZip, readPieces } from "../zip.ts";
import { make, show } from "./elements.ts";
import type { Policy } from "./given.ts";
import { type Outcome, OUTCOME_MARKS, type Say, showOutcome, spellVerdict } from "./report.ts";

// Starting two threads takes longer than hashing a file of this size.
const MAX_HERE_BYTES = 1 << 22;
const MAX_SIGNATURES = 64;

/** A bag that was given and not looked into yet. */
export interface GivenBag {
  readonly name: string;
  readonly size: number;
  open(): Promise<BagSource>;
}

/** A bag's own validity, and the outcome for each original. */
export interface BagOutcome {
  readonly name: string;
  readonly bag: ValidBag | null;
  /** Why it is not valid; null of one that is. */
  readonly error: Refusal | null;
  readonly outcomes: readonly Outcome[];
  readonly policy: Policy | null;
}

/** Return the bag in a ZIP file. */
export const bagIn = (file: File): GivenBag => ({ name: file.name, size: file.size, open: () => openZip(file) });

/** List the files of a dropped folder as a bag. */
export async function listFolder(folder: FileSystemDirectoryEntry): Promise<GivenBag> {
  const files = new Map<string, File>();
  const inside: string[] = [];
  const folders: [string, FileSystemDirectoryEntry][] = [["", folder]];
  for (let next = folders.pop(); next; next = folders.pop()) {
    const [path, entry] = next;
    for (const child of await readEntries(entry)) {
      if (child.isDirectory) {
        inside.push(path + child.name);
        folders.push([`${path}${child.name}/`, child as FileSystemDirectoryEntry]);
      } else {
        files.set(path + child.name, await openEntry(child as FileSystemFileEntry));
      }
    }
    if (files.size + folders.length > MAX_FILES) {
      throw malformed(message("bag-files-too-many", { limit: MAX_FILES }));
    }
  }
  const sizes = new Map([...files].map(([name, file]) => [name, file.size]));
  const open = async () => {
    inside.forEach(checkName);
    checkNames(sizes, []);
    return { sizes, blob: (name: string) => files.get(name)!, read: (name: string) => readPieces(files.get(name)!) };
  };
  return { name: folder.name, size: [...sizes.values()].reduce((total, size) => total + size, 0), open };
}

/** Read all entries of a folder, which a browser hands out in parts. */
async function readEntries(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const entries: FileSystemEntry[] = [];
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) {
      return entries;
    }
    entries.push(...part);
  }
}

const openEntry = (entry: FileSystemFileEntry) => new Promise<File>((resolve, reject) => entry.file(resolve, reject));

/** Judges evidence by its receipt. */
export type JudgeOne = (
  receipt: Uint8Array | Receipt, evidence: Digests, file: string, notices?: readonly Notice[], checkFiles?: CheckFiles,
) => Promise<Outcome>;

/**
 * Check a bag and judge every original in it; `report` hears how many bytes of originals were read.
 * Of a bag that is one piece of evidence, judge its manifest by the receipt that `find` returns.
 */
export async function judgeBag(
  given: GivenBag,
  script: string,
  policy: Policy | null,
  judgeOne: JudgeOne,
  report: (part: number) => void,
  find: ((evidence: Digests) => Promise<Uint8Array | Receipt>) | null,
): Promise<BagOutcome | Outcome> {
  let done = 0;
  const hash: HashOriginal = async (source, name) => {
    const [blob, size] = [source.blob(name), source.sizes.get(name)!];
    const digests = blob && size > MAX_HERE_BYTES
      ? await startHashing(blob, script, (part) => report((done + part * size) / given.size)).digests
      : await hashPieces(source.read(name), true).then(({ sm3, ...rest }) => ({ ...rest, sm3: sm3! }));
    done += size;
    report(done / given.size);
    return digests;
  };
  const outcomes: Outcome[] = [];
  let bag: ValidBag;
  try {
    bag = await checkBag(await given.open(), hash);
  } catch (error) {
    return refuse(error, given, policy);
  }
  if (bag.isEvidence && find) {
    const manifest = await digestManifest(bag);
    return judgeOne(await find(manifest), manifest, `${given.name}/${MANIFEST}`, [],
      (record) => checkRecordedFiles(record, bag.payload));
  }
  if (bag.isEvidence || find) {
    const path = show(given.name, 120);
    throw malformed(bag.isEvidence ? message("page-receipt-missing") : message("bag-has-own-receipts", { path }));
  }
  try {
    const events = await readEvents(bag);
    const judged = new Map<PackedEvent, Outcome>();
    const judgeEvent = async (event: PackedEvent) => {
      const outcome = judged.get(event) ?? (await judgeOne(event.data, event.digests, given.name, []));
      judged.set(event, outcome);
      return outcome.report;
    };
    const notices = await listNotices(bag.source, (name) => readReceipt(bag, name));
    for (const exhibit of bag.exhibits) {
      const { original, receipt, digests } = exhibit;
      const outcome = await judgeOne(await readReceipt(bag, receipt), digests, `${given.name}/${original}`, notices,
        (record) => checkCaptures(bag, exhibit, record, hash));
      outcomes.push({ ...outcome, report: await judgeCustody(outcome.report, events, judgeEvent) });
    }
    return { name: given.name, bag, error: null, outcomes, policy };
  } catch (error) {
    return refuse(error, given, policy);
  }
}

/** Return the outcome for a bag that is not valid; what is no refusal is a bug. */
function refuse(error: unknown, { name }: GivenBag, policy: Policy | null): BagOutcome {
  if (!isRefusal(error)) {
    throw error;
  }
  return { name, bag: null, error, outcomes: [], policy };
}

/** Show the outcome for a bag: what it amounts to, and a part for each original that opens. */
export function showBag(outcome: BagOutcome, language: Language): HTMLElement[] {
  const say: Say = (text) => inLanguage(text, language);
  const { bag, error, name, outcomes } = outcome;
  const path = show(name, 120);
  if (!bag || error) {
    return [box(toneOf([outcomeOfError(error!)]), say(wordsOf(error)), say(message("page-bag-refused")), path, [show(say(error!.reason), 600)])];
  }
  const results = outcomes.map(({ report }) => outcomeOf(report));
  const gravest = gravestOfAll(outcomes.map(({ report }) => report));
  // The words of the weakest that passed, where all did.
  const weakest = outcomes.find(({ report }) => !isPlainPass(report)) ?? outcomes[0]!;
  const telling = gravest ? outcomes.find(({ report }) => errorOf(report) === gravest)! : weakest;
  const words = headlineOf(telling.report);
  const party: Text = bag.party === null ? message("bag-party-unnamed") : show(bag.party, 120);
  const policy = policyIn(bag);
  const lines = [
    message("bag-complete", { path, originals: outcomes.length, identifier: bag.identifier }),
    message("bag-enclosures-unverified", { count: enclosuresIn(bag) }),
    ...(policy ? [message("bag-policy-unused", { sha256: policy, party })] : []),
    ...listSignatures(bag).slice(0, MAX_SIGNATURES).map((each) => {
      const [name, command] = [show(each.name, 120), show(each.command, 1_000)];
      return message("bag-signature-untold", { name, command });
    }),
  ];
  return [
    box(toneOf(results), say(words), say(describeTally(results)), path, lines.map(say)),
    make("section", {}, ...outcomes.map((each) => showOriginal(each, language, say))),
  ];
}

/** Show what several files amount to; `fault` is said before all else. */
export function box(
  tone: string, words: string, title: string, path: string, lines: readonly string[], fault: string | null = null,
): HTMLElement {
  const mark = tone === "pass" ? "✓" : tone === "fail" ? "✗" : "!";
  return make("div", { class: `verdict ${tone}` },
    make("span", { class: "mark", "aria-hidden": "true" }, mark),
    make("div", {}, make("p", { class: "word" }, spellVerdict(words)), make("h2", { id: "headline", tabindex: "-1" }, title), make("p", { class: "about" }, path),
      ...(fault ? [make("p", { class: "problem" }, `✗ ${fault}`)] : []), ...lines.map((line) => make("p", {}, line))));
}

/** Show an original in a line, and its report once it is opened; `headline`: what is said of a receipt alone. */
export function showOriginal(
  outcome: Outcome, language: Language, say: Say, headline: Message | null = null,
): HTMLElement {
  const { file, report } = outcome;
  const leading = leadingAnchor(report);
  const words: Message[] = [headline ?? headlineOf(report)];
  if (leading && (!errorOf(report) || headline)) {
    const place = message("report-leaf-place", { index: leading.index, size: leading.anchor.size });
    const time = moment(isOfRealTime(leading) ? leading.existedBy : leading.anchor.timestamp);
    words.push(!isOfRealTime(leading)
      ? message("report-brief-block-time", { time, place })
      : leading.notBefore === null
      ? message("report-brief-proven", { time, place })
      : message("report-brief-bracket", { since: moment(leading.notBefore), time, place }));
  }
  const part = make("details", { class: "original" }, make("summary", {},
    make("b", {}, `${OUTCOME_MARKS[outcomeOf(report)]} ${show(file, 120)}`), " ", words.map(say).join(language === "en" ? "; " : "；")));
  part.addEventListener("toggle", () => {
    if (part.childElementCount === 1) {
      const shown = showOutcome(outcome, language);
      part.append(...shown);
      part.querySelector("#headline")?.removeAttribute("id");
    }
  });
  return part;
}

/** Describe the outcome as the document that `anchor verify --json` prints. */
export function describeBag({ bag, error, name, outcomes }: BagOutcome, policies: Parameters<typeof describeReports>[2]) {
  const nodes = [...new Set(outcomes.flatMap((outcome) => outcome.nodes))];
  if (!bag) {
    return describeRefusal(error!, name, policies);
  }
  const described: { [name: string]: string | number | null | Hex } = {
    bag: name,
    identifier: bag.identifier,
    party: bag.party,
    policy: policyIn(bag),
    originals: bag.exhibits.length,
    enclosures: enclosuresIn(bag),
  };
  return describeReports(outcomes, [described], policies, nodes);
}
