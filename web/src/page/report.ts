/** The report: the verdict, every step, what it amounts to, and what it does not prove. */

import { formatAddress, type Hex } from "../bytes.ts";
import { CANNOT_CHECK, MISMATCH, SUPERSEDED } from "../errors.ts";
import { parseHeader } from "../header.ts";
import { inLanguage, join, type Language, message, type Message, moment, type Text } from "../messages.ts";
import { listStatements } from "../record_statements.ts";
import { isGroupName, kindOf, sentenceOf, titleOfStep } from "../release.ts";
import { recordedAt } from "../steps.ts";
import { Doubt } from "../targets.ts";
import {
  errorOf, evidenceError, exitCode, headlineOf, isOfRealTime, isPlainPass, leadingAnchor, type NoticeFinding, openQuestions, outcomeOf,
  type ProvenAnchor, type Report, shownClaims, toneOf, type Verdict, verdictOf,
} from "../report.ts";
import { type Child, make, show } from "./elements.ts";
import type { Policy } from "./given.ts";
import { showPath } from "./path.ts";

/** Says a text in the language of the page. */
export type Say = (text: Text) => string;

/** A report, and what the page knows beside it. */
export interface Outcome {
  readonly report: Report;
  readonly file: string;
  /** What the verifier pinned; null for nothing. */
  readonly policy: Policy | null;
  readonly nodes: readonly string[];
  readonly notes: readonly Message[];
  readonly checkedAt: Date;
}

const MARKS: { readonly [verdict in Verdict]: string } = {
  pass: "✓", fail: "✗", "cannot tell": "?", "not present": "–",
};
export const OUTCOME_MARKS: { readonly [outcome in ReturnType<typeof outcomeOf>]: string } = {
  verified: "✓", qualified: "!", superseded: "!", failed: "✗", open: "?",
};
const VERDICTS: { readonly [verdict in Verdict]: Message } = {
  pass: message("verdict-pass"),
  fail: message("verdict-fail"),
  "cannot tell": message("verdict-cannot-tell"),
  "not present": message("verdict-not-present"),
};
/** What an exit code means, in a line. */
const RESULTS: { readonly [code: number]: Message } = {
  2: message("page-result-malformed"),
  10: message("page-result-mismatch"),
  11: message("page-result-not-anchored"),
  12: message("page-result-not-trusted"),
  13: message("page-result-abandoned"),
  14: message("page-result-superseded"),
  20: message("page-result-not-checked"),
  21: message("page-result-not-final"),
  22: message("page-result-unknown-version"),
};

/** Show an outcome; returns what belongs into the report's section. */
export function showOutcome(outcome: Outcome, language: Language): HTMLElement[] {
  const say: Say = (text) => inLanguage(text, language);
  const { report } = outcome;
  const part = (title: Message, ...children: Child[]) =>
    make("section", {}, make("h3", {}, say(title)), ...children);
  return [
    showVerdict(outcome, say, language),
    part(message("page-times-heading"), showTimes(outcome, say),
      make("p", { class: "small" }, say(message("page-times-note")))),
    part(message("page-steps-heading"), showSteps(report, say)),
    part(message("page-claims-heading"), showClaims(report, say)),
    ...(report.receipt ? [part(message("page-path-heading"), ...showPath(report.receipt, say))] : []),
    part(message("page-basis-heading"), showBasis(outcome, say)),
    ...(report.receipt ? [part(message("page-values-heading"), showValues(report, say))] : []),
    part(message("page-not-proven-heading"), make("ul", { class: "closing" },
      ...openQuestions(report).map((item) => make("li", {}, say(item))))),
  ];
}

/** Spell a headline with its verdict in capitals. */
export const spellVerdict = (words: string): string =>
  words.replace("not verified", "NOT VERIFIED").replace("verified", "VERIFIED");

/** Open for printing what can be opened: on paper nothing can. */
export function openOnPaper(): void {
  const parts = document.getElementById("report")!.getElementsByTagName("details");
  const open = (isOpen: boolean) => () => {
    // The list is live: some parts get contents, and further parts in them, once they are opened.
    for (let at = 0; at < parts.length; at += 1) {
      parts[at]!.toggleAttribute("open", isOpen);
      if (isOpen) {
        parts[at]!.dispatchEvent(new Event("toggle"));
      }
    }
  };
  addEventListener("beforeprint", open(true));
  addEventListener("afterprint", open(false));
}

function showVerdict(outcome: Outcome, say: Say, language: Language): HTMLElement {
  const { report } = outcome;
  const error = errorOf(report);
  const code = exitCode(report);
  const isFile = code === MISMATCH && report.steps.some((step) => step.number === 2 && step.error === error);
  const leading = leadingAnchor(report);
  const isAsserted = leading?.assurance === "asserted";
  const passed = report.unpinned.length > 0
    ? message("page-result-unchanged-unpinned")
    : isAsserted ? message("page-result-unchanged-asserted") : message("page-result-unchanged");
  const found = isFile
    ? message("page-result-other-file")
    : error instanceof Doubt ? message("page-result-no-policy") : RESULTS[code]!;
  const isProven = evidenceError(report) === null;
  const worth = error || !leading ? null : describeKind(leading.chainId);
  const lines = error && code !== SUPERSEDED
    ? [make("p", { class: "reason" }, code >= CANNOT_CHECK ? `${say(message("page-result-open"))} ` : "",
        make("span", {}, ...spell(error.reason, say)))]
    : isProven ? describePass(report, worth !== null || error !== null, say, language) : [];
  const result = outcomeOf(report);
  return make(
    "div", { class: `verdict ${toneOf([result])}` },
    make("span", { class: "mark", "aria-hidden": "true" }, OUTCOME_MARKS[result]),
    make(
      "div", {},
      make("p", { class: "word" }, spellVerdict(say(headlineOf(report)))),
      make("h2", { id: "headline", tabindex: "-1" }, say(worth ?? (error ? found : passed))),
      make("p", { class: "about" }, show(outcome.file, 120)),
      ...report.notices.map((finding) => make("p", { class: "reason" }, ...spell(describeNotice(finding), say))),
      ...lines,
    ),
  );
}

/** Say what a notice states and by when it was recorded, or why it does not count. */
function describeNotice({ notice, leading, detail }: NoticeFinding): Message {
  const name = show(notice.name, 120);
  if (!leading) {
    return message("report-notice-aside", { name, reason: detail });
  }
  return isOfRealTime(leading)
    ? message("report-notice", { detail, time: moment(leading.existedBy), name })
    : message("report-notice-block-time", { detail, time: moment(leading.anchor.timestamp), name });
}

/** Say of each anchor what it proves, and of all what nothing pins. */
function describePass(report: Report, isUnchanged: boolean, say: Say, language: Language): HTMLElement[] {
  const space = language === "en" ? " " : "";
  const lines = report.proven.map((proven) => {
    const { index, anchor: { size } } = proven;
    return make("p", {},
      say(describeTimes(proven, isUnchanged)),
      space, ...spell(describeAnchored(proven), say), space,
      make("span", { class: "small" }, say(message("report-leaf-place", { index, size }))));
  });
  if (report.unpinned.length > 0) {
    lines.push(make("p", { class: "reason" }, say(message("report-no-policy")), " ",
      ...spell(join(report.unpinned, "semicolon"), say)));
  }
  return lines;
}

/** Say between which times the record was made. */
function describeTimes(proven: ProvenAnchor, isUnchanged: boolean): Message {
  if (!isOfRealTime(proven)) {
    return message("report-block-time", { time: moment(proven.anchor.timestamp) });
  }
  const { notBefore, existedBy } = proven;
  const time = moment(existedBy);
  if (notBefore === null) {
    return isUnchanged ? message("report-unchanged-since", { time }) : message("report-existed-by", { time });
  }
  const since = moment(notBefore);
  return isUnchanged
    ? message("report-unchanged-since-bracket", { since, time })
    : message("report-made-between", { since, time });
}

/** Say of a chain that is no main one what it is worth. */
function describeKind(chain: number): Message | null {
  const kind = sentenceOf(kindOf(chain));
  return kind && message("report-chain-kind", { chain, kind });
}

function describeAnchored(proven: ProvenAnchor): Message {
  return message("report-anchored", {
    submitter: formatAddress(proven.submitter),
    chain: proven.chainId,
    block: proven.anchor.blockNumber,
    basis: describeBasis(proven),
    level: proven.assurance,
  });
}

function describeBasis(proven: ProvenAnchor): Message {
  const basis = describeSource(proven);
  if (proven.finalAfter === null) {
    return basis;
  }
  const finality = message("finality-by-depth", { count: proven.finalAfter });
  return message("basis-with-finality", { basis, finality });
}

function describeSource({ assurance, isAsserted, finalBlockNumber: block }: ProvenAnchor): Message {
  switch (assurance) {
    case "rpc":
      return message("basis-one-node");
    case "quorum":
      return message("basis-several-nodes");
    case "asserted":
      return message("basis-proof-asserted", { block });
    default:
      return isAsserted ? message("basis-proof-by-policy", { block }) : message("basis-proof", { block });
  }
}

function showTimes({ report, checkedAt }: Outcome, say: Say): HTMLElement {
  const events: [number, Message, string][] = [];
  if (report.record) {
    events.push([recordedAt(report.record), message("page-time-claimed"), "claim"]);
  }
  for (const proven of report.proven) {
    const { blockNumber, timestamp } = proven.anchor;
    if (!isOfRealTime(proven)) {
      events.push([timestamp, message("page-time-of-block", { block: blockNumber, chain: proven.chainId }), "claim"]);
      continue;
    }
    const kind = isPlainPass(report) ? "pass" : "doubt";
    if (proven.notBefore !== null) {
      events.push([proven.notBefore, message("page-time-earliest"), `${kind} strong`]);
    }
    events.push([timestamp, message("page-time-included", { block: blockNumber, chain: proven.chainId }), kind]);
    events.push([proven.existedBy, message("page-time-latest"), `${kind} strong`]);
  }
  events.push([Math.floor(checkedAt.getTime() / 1000), message("page-time-checked"), "claim"]);
  events.sort(([one], [other]) => one - other);
  const list = make("ol", { class: "times" }, ...events.map(([time, what, kind]) =>
    make("li", { class: kind }, make("time", { datetime: new Date(time * 1000).toISOString() }, say(moment(time))), " ", say(what))));
  return report.proven.some(isOfRealTime)
    ? list
    : make("div", {}, make("p", { class: "small" }, say(message("page-time-unproven"))), list);
}

function showSteps(report: Report, say: Say): HTMLElement {
  return make("ul", { class: "rows" },
    ...report.steps.map(({ number, detail, error, provesTime }) => {
      const verdict = error === null && !provesTime ? "cannot tell" : verdictOf(error);
      return showRow(`${number}. ${say(titleOfStep(number))}`, verdict, detail, say, error?.hint);
    }),
    ...report.unmade.map(({ number, verdict, reason }) =>
      showRow(`${number}. ${say(titleOfStep(number))}`, verdict, reason, say)));
}

const showClaims = (report: Report, say: Say): HTMLElement =>
  make("ul", { class: "rows" }, ...shownClaims(report).map(({ id, title, verdict, reason }) => {
    const isStatement = id === "C7" && verdict === "not present" && report.record?.statements.some(isGroupName);
    const words = isStatement ? message("verdict-stated") : VERDICTS[verdict];
    return showRow(`${id} ${say(title)}`, verdict, reason, say, null, words);
  }));

const showRow = (
  title: string, verdict: Verdict, reason: Message, say: Say, hint?: Message | null, words = VERDICTS[verdict],
): HTMLElement =>
  make("li", { class: slug(verdict) }, badge(verdict, words, say),
    make("div", {}, make("b", {}, title), make("p", { class: "detail" }, ...spell(reason, say)),
      ...(hint ? [make("p", { class: "hint" }, ...spell(hint, say))] : [])));

function showBasis({ report, policy, nodes, notes }: Outcome, say: Say): HTMLElement {
  const lines = policy === null
    ? [say(message("report-no-policy")), ...report.unpinned.map((item) => `– ${say(item)}`)]
    : [say(message("report-policy", { name: policy.file })), `SHA-256 ${policy.sha256}`];
  if (policy?.source === "dropped") {
    lines.push(say(message("page-policy-dropped")));
  }
  if (nodes.length > 0) {
    const names = join(nodes);
    lines.push(say(message("report-nodes-asked", { names })));
  }
  if (report.record) {
    lines.push(...listStatements(report.record).map(say));
  }
  for (const text of [...report.notes, ...notes]) {
    lines.push(say(message("report-note", { text })));
  }
  return make("ul", { class: "plain" }, ...lines.map((line) => make("li", {}, show(line))));
}

function showValues(report: Report, say: Say): HTMLElement {
  const { receipt, record } = report;
  const [anchor] = receipt!.anchors;
  const head = anchor?.head ?? receipt!.promise!;
  const plain: [string, string][] = record
    ? [[say(message("page-name")), show(record.name)], [say(message("page-recorded")), say(moment(recordedAt(record)))]]
    : [];
  if (record && record.digests.size !== null) {
    plain.push([say(message("page-size")), String(record.digests.size)]);
  }
  const hashes: [string, Hex | null | undefined][] = [
    [say(message("certificate-preservation-number")), record?.number],
    ["sha256", record?.digests.sha256], ["sm3", record?.digests.sm3], [say(message("page-root")), head.root],
    [say(message("page-log-id")), `0x${receipt!.log}`],
  ];
  if (anchor) {
    hashes.push([say(message("page-registry-of", { chain: anchor.chainId })), formatAddress(anchor.registry)]);
  }
  if (anchor?.state) {
    hashes.push([say(message("page-proof-block")), blockOf(anchor.state.header)]);
  }
  for (const proven of report.proven) {
    hashes.push([say(message("page-submitter")), formatAddress(proven.submitter)]);
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
  const copy = say(message("page-copy"));
  const button = make("button", { type: "button", class: "copy", "aria-label": `${copy}: ${name}` }, copy);
  button.addEventListener("click", () => {
    void navigator.clipboard.writeText(value).then(() => {
      button.textContent = say(message("page-copied"));
    });
  });
  return button;
}

const badge = (verdict: Verdict, words: Message, say: Say): HTMLElement =>
  make("span", { class: "badge" },
    make("span", { class: "mark", "aria-hidden": "true" }, MARKS[verdict]), say(words));

/** Show a message; what is a hash or an address in it, as code. */
const spell = (text: Text, say: Say): Child[] =>
  show(say(text), 600).split(/(0x[0-9a-fA-F]{8,}…?|\b[0-9a-f]{64}\b)/)
    .map((part, at) => (at % 2 ? make("code", {}, part) : part));

const slug = (verdict: Verdict) => verdict.replace(" ", "-");
