/** The report: the verdict, every step, what it amounts to, and what it does not prove. */

import { formatAddress, type Hex } from "../bytes.ts";
import { formatTime } from "../steps.ts";
import { CANNOT_CHECK, MISMATCH } from "../errors.ts";
import { parseHeader } from "../header.ts";
import { kindOf } from "../release.ts";
import { isDoubt } from "../targets.ts";
import {
  exitCode, gravestError, headlineOf, kindOfReport, leadingAnchor, type ProvenAnchor, type Report, type Verdict, verdictOf,
} from "../report.ts";
import { toChinese } from "./chinese.ts";
import { type Child, make, show } from "./elements.ts";
import type { Policy } from "./given.ts";
import { showPath } from "./path.ts";
import { insert, type Key, type Language, reportWords, say as sayIn } from "./words.ts";

export type Say = (key: Key, values?: { readonly [name: string]: unknown }) => string;

/** A report, and what the page knows beside it. */
export interface Outcome {
  readonly report: Report;
  readonly file: string;
  /** What the verifier pinned; null for nothing. */
  readonly policy: Policy | null;
  readonly nodes: readonly string[];
  readonly notes: readonly string[];
  readonly checkedAt: Date;
}

const MARKS: { readonly [verdict in Verdict]: string } = {
  pass: "✓", fail: "✗", "cannot tell": "?", "not present": "–",
};

/** Show an outcome; returns what belongs into the report's section. */
export function showOutcome(outcome: Outcome, language: Language): HTMLElement[] {
  const say: Say = (key, values) => sayIn(language, key, values);
  const { report } = outcome;
  const part = (title: Key, ...children: Child[]) =>
    make("section", {}, make("h3", {}, say(title)), ...children);
  return [
    showVerdict(outcome, say, language),
    part("times", showTimes(outcome, say), make("p", { class: "small" }, say("timesnote"))),
    part("steps", showSteps(report, language)),
    part("claims", showClaims(report, language)),
    ...(report.receipt ? [part("path", ...showPath(report.receipt, say))] : []),
    part("basis", showBasis(outcome, say, language)),
    ...(report.receipt ? [part("values", showValues(report, say))] : []),
    part("notproven", make("ul", { class: "closing" },
      ...reportWords(language).not_proven.map((item) => make("li", {}, item)),
      ...report.notProven.map((item) => make("li", {}, inLanguage(item, language))))),
  ];
}

/** Open for printing what can be opened: on paper nothing can. */
export function openOnPaper(): void {
  const open = (isOpen: boolean) => () => {
    document.querySelectorAll("#report details").forEach((part) => part.toggleAttribute("open", isOpen));
  };
  addEventListener("beforeprint", open(true));
  addEventListener("afterprint", open(false));
}

function showVerdict(outcome: Outcome, say: Say, language: Language): HTMLElement {
  const { report } = outcome;
  const words = reportWords(language);
  const error = gravestError(report.steps);
  const code = exitCode(report);
  const isFile = code === MISMATCH && report.steps.some((step) => step.number === 2 && step.error === error);
  const verdict = verdictOf(error);
  const leading = leadingAnchor(report);
  const isAsserted = leading?.assurance === "asserted";
  const basis = report.unpinned.length > 0 ? "r0unpinned" : isAsserted ? "r0asserted" : "r0";
  const found = isFile ? "r10file" : error && isDoubt(error) ? "r20unpinned" : (`r${code}` as Key);
  const worth = error || !leading ? null : sayKind(leading.chainId, words);
  const headline = worth ?? say(error === null ? basis : found);
  const lines = error
    ? [make("p", { class: "reason" }, code >= CANNOT_CHECK ? `${say("neither")} ` : "",
        make("span", {}, ...spell(error.message, language)))]
    : describePass(report, worth ? words.unchanged_since : words.existed_by, language);
  const isPlain = isPlainPass(report);
  const tone = verdict === "fail" ? "fail" : isPlain ? "pass" : "unknown";
  return make(
    "div", { class: `verdict ${tone}` },
    make("span", { class: "mark", "aria-hidden": "true" }, isPlain || verdict !== "pass" ? MARKS[verdict] : "!"),
    make(
      "div", {},
      make("p", { class: "word" }, headlineOf(report, words).replace("verified", "VERIFIED")),
      make("h2", { id: "headline", tabindex: "-1" }, headline),
      make("p", { class: "about" }, show(outcome.file, 120)),
      ...lines,
    ),
  );
}

/** Say of each anchor what it proves, and of all what nothing pins. */
function describePass(report: Report, existed: string, language: Language): HTMLElement[] {
  const words = reportWords(language);
  const space = language === "en" ? " " : "";
  const lines = report.proven.map((proven) => make("p", {},
    insert(existed, { time: spellTime(proven.existedBy, words) }), space,
    ...spell(describeAnchored(proven, language), "en"), space,
    make("span", { class: "small" }, insert(words.place, { index: proven.index, size: proven.anchor.size }))));
  if (report.unpinned.length > 0) {
    const items = report.unpinned.map((item) => inLanguage(item, language)).join(space ? "; " : "；");
    lines.push(make("p", { class: "reason" }, ...spell(`${words.no_policy} ${items}`, "en")));
  }
  return lines;
}

/** Spell Unix seconds in UTC, and in the reader's zone where that is another. */
function spellTime(seconds: number, words: ReturnType<typeof reportWords>): string {
  const utc = `${formatTime(seconds)} UTC`;
  const minutes = -new Date(seconds * 1000).getTimezoneOffset();
  if (minutes === 0) return utc;
  const [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map((part) => `${part}`.padStart(2, "0"));
  const local = `${formatTime(seconds + 60 * minutes)} ${minutes < 0 ? "-" : "+"}${hours}${rest}`;
  return insert(words.local_time, { utc, local });
}

/** Tell whether it passed on a chain whose times count, with everything pinned by somebody else. */
const isPlainPass = (report: Report): boolean =>
  gravestError(report.steps) === null && report.unpinned.length === 0 &&
  kindOfReport(report) === "main" && leadingAnchor(report)?.assurance !== "asserted";

/** Say of a chain that is no main one what it is worth. */
function sayKind(chainId: number, words: ReturnType<typeof reportWords>): string | null {
  const kinds: { readonly [kind: string]: string } = words.kinds;
  const kind = kinds[kindOf(chainId)];
  return kind ? insert(words.chain_is, { chain: chainId, kind }) : null;
}

function describeAnchored(proven: ProvenAnchor, language: Language): string {
  const words = reportWords(language);
  const basis = {
    rpc: words.by_one_node,
    quorum: words.by_nodes,
    asserted: words.by_asserted_proof,
    proof: proven.isAsserted ? words.by_policy_proof : words.by_proof,
  }[proven.assurance]!;
  return insert(words.anchored, {
    submitter: formatAddress(proven.submitter),
    chain: proven.chainId,
    block: proven.anchor.blockNumber,
    basis: insert(basis, { block: proven.finalBlockNumber }),
    level: proven.assurance,
  });
}

function showTimes({ report, checkedAt }: Outcome, say: Say): HTMLElement {
  const events: [string, string, string][] = [];
  if (report.record) {
    events.push([report.record.recordedAt.replace(/T(.{8}).*/, " $1"), say("claimed"), "claim"]);
  }
  for (const proven of report.proven) {
    const { blockNumber, timestamp } = proven.anchor;
    const where = { block: blockNumber, chain: proven.chainId };
    const kind = isPlainPass(report) ? "pass" : "doubt";
    events.push([formatTime(timestamp), say("included", where), kind]);
    events.push([formatTime(proven.existedBy), say("latest"), `${kind} strong`]);
  }
  const now = checkedAt.toISOString().slice(0, 19).replace("T", " ");
  events.push([now, say("checked"), "claim"]);
  events.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const list = make("ol", { class: "times" }, ...events.map(([time, what, kind]) =>
    make("li", { class: kind }, make("time", { datetime: time.replace(" ", "T") + "Z" }, time), " ", what)));
  return report.proven.length > 0
    ? list
    : make("div", {}, make("p", { class: "small" }, say("notime")), list);
}

function showSteps(report: Report, language: Language): HTMLElement {
  const titles: { readonly [number: string]: string } = reportWords(language).steps;
  const items = report.steps.map(({ number, detail, error }) => {
    const verdict = verdictOf(error);
    const hint = error?.hint ? [make("p", { class: "hint" }, ...spell(error.hint, language))] : [];
    return make(
      "li", { class: slug(verdict) }, badge(verdict, language),
      make("div", {}, make("b", {}, `${number}. ${titles[number]!}`),
        make("p", { class: "detail" }, ...spell(detail, language)), ...hint),
    );
  });
  return make("ul", { class: "rows" }, ...items);
}

function showClaims(report: Report, language: Language): HTMLElement {
  const titles: { readonly [id: string]: string } = reportWords(language).claims;
  return make("ul", { class: "rows" }, ...report.claims.map(({ id, verdict, reason }) => make(
    "li", { class: slug(verdict) }, badge(verdict, language),
    make("div", {}, make("b", {}, `${id} ${titles[id]!}`),
      make("p", { class: "detail" }, ...spell(reason, language))),
  )));
}

function showBasis({ report, policy, nodes, notes }: Outcome, say: Say, language: Language): HTMLElement {
  const words = reportWords(language);
  const lines = policy === null
    ? [words.no_policy, ...report.unpinned.map((item) => `– ${inLanguage(item, language)}`)]
    : [say("policyfrom", { name: policy.file }), `SHA-256 ${policy.sha256}`];
  if (policy?.source === "dropped") {
    lines.push(say("dropped"));
  }
  if (nodes.length > 0) {
    lines.push(insert(words.asked, { names: nodes.join(", ") }));
  }
  if (report.record && report.record.statements.length > 0) {
    lines.push(insert(words.statements, { names: report.record.statements.join(", ") }));
  }
  for (const note of [...report.notes, ...notes]) {
    lines.push(insert(words.note, { text: inLanguage(note, language) }));
  }
  return make("ul", { class: "plain" }, ...lines.map((line) => make("li", {}, show(line))));
}

function showValues(report: Report, say: Say): HTMLElement {
  const { receipt, record } = report;
  const [anchor] = receipt!.anchors;
  const head = anchor?.head ?? receipt!.promise!;
  const plain: [string, string][] = record
    ? [[say("name"), show(record.name)], [say("recorded"), record.recordedAt]]
    : [];
  if (record && record.digests.size !== null) {
    plain.push([say("size"), String(record.digests.size)]);
  }
  const hashes: [string, Hex | null | undefined][] = [
    ["sha256", record?.digests.sha256], ["sm3", record?.digests.sm3], [say("root"), head.root],
    [say("logid"), `0x${receipt!.log}`],
  ];
  if (anchor) {
    hashes.push([say("registryof", { chain: anchor.chainId }), formatAddress(anchor.registry)]);
  }
  if (anchor?.state) {
    hashes.push([say("proofblock"), blockOf(anchor.state.header)]);
  }
  for (const proven of report.proven) {
    hashes.push([say("submitter"), formatAddress(proven.submitter)]);
  }
  return make("dl", { class: "values" },
    ...plain.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, make("bdi", {}, value)))),
    ...hashes.flatMap(([name, value]) => value ? [make("div", {}, make("dt", {}, name),
      make("dd", {}, make("code", {}, value), copyButton(name, value, say)))] : []),
  );
}

function blockOf(header: Uint8Array): Hex | null {
  try {
    return `0x${parseHeader(header).hash}`;
  } catch {
    return null;
  }
}

function copyButton(name: string, value: string, say: Say): HTMLElement {
  const button = make("button", { type: "button", class: "copy", "aria-label": `${say("copy")}: ${name}` }, say("copy"));
  button.addEventListener("click", () => {
    void navigator.clipboard.writeText(value).then(() => {
      button.textContent = say("copied");
    });
  });
  return button;
}

function badge(verdict: Verdict, language: Language): HTMLElement {
  const words: { readonly [verdict: string]: string } = reportWords(language).verdicts;
  return make("span", { class: "badge" },
    make("span", { class: "mark", "aria-hidden": "true" }, MARKS[verdict]), words[verdict] ?? verdict);
}

const inLanguage = (text: string, language: Language) => (language === "zh" ? toChinese(text) : text);

/** Show a message, in the language; what is a hash or an address in it, as code. */
const spell = (text: string, language: Language): Child[] =>
  show(inLanguage(text, language), 600).split(/(0x[0-9a-fA-F]{8,}…?|\b[0-9a-f]{64}\b)/)
    .map((part, at) => (at % 2 ? make("code", {}, part) : part));

const slug = (verdict: Verdict) => verdict.replace(" ", "-");
