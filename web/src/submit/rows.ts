/** One piece of the list, as it is shown. */

import { inLanguage, type Language, message, type Text } from "../messages.ts";
import { find, make } from "../page/elements.ts";
import { describeCopy, isSettled } from "./copy_queue.ts";
import { describeFault, describeStage, type Entry, type Stage } from "./entry.ts";
import { faultOfName, hasHidden, showName } from "./names.ts";
import type { SubmissionList } from "./submission_list.ts";

/** What somebody does about a piece. */
export type Action = "remove" | "receipt" | "pause-copy" | "resume-copy" | "certify" | "pdf" | "html" | "json";
export type Act = (action: Action, entry: Entry) => void;

const DOTS: { readonly [stage in Stage]: string } = {
  accepted: "open", sealed: "open", submitted: "open", included: "half", anchored: "done",
};
const FILES = ["pdf", "html", "json"] as const;
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

export class Row {
  readonly element = make("li");
  private readonly state = make("p", { class: "at" });
  private readonly progress = make("progress", { max: "1" }) as HTMLProgressElement;
  private readonly note = make("p", { class: "small soft" });
  private readonly copy = make("p", { class: "small soft" });
  private readonly sent = make("progress", { max: "1" }) as HTMLProgressElement;
  private readonly problem = make("p", { class: "problem" });
  private readonly number = make("p", { class: "at hash" });
  private readonly actions = make("p", { class: "actions" });
  private shown = "";

  constructor(
    readonly entry: Entry, private readonly list: SubmissionList, private readonly language: Language,
    private readonly act: Act,
  ) {
    const name = make("bdi", {}, showName(entry.name));
    const size = make("span", { class: "soft small" }, spellSize(entry.size, language));
    this.progress.setAttribute("aria-label", this.say(message("submit-hashing-of", { name: showName(entry.name) })));
    this.sent.setAttribute("aria-label", this.say(message("submit-copy-of", { name: showName(entry.name) })));
    this.element.append(
      make("div", {}, make("p", { class: "name" }, name, " ", size), this.note, this.copy, this.problem),
      make("div", {}, this.state, this.progress, this.number), this.actions,
    );
    this.update();
  }

  /** Show what the entry is like by now; what is as it was is left alone, and keeps the focus. */
  update(): void {
    const { entry } = this;
    const part = this.list.hashing.progress.get(entry) ?? null;
    this.progress.hidden = part === null;
    this.progress.value = part ?? 0;
    const step = this.list.step(entry);
    const sent = this.list.copies.progress.get(entry) ?? null;
    if (sent === null) {
      this.sent.remove();
    } else if (this.sent.parentNode === null) {
      this.copy.after(this.sent);
    }
    this.sent.value = sent ?? 0;
    this.copy.textContent = this.list.wantsCopy(entry) && entry.fault === null ? this.say(describeCopy(entry, this.list.copies)) : "";
    const shown = JSON.stringify([step, entry.stage, entry.number, entry.fault, entry.certificate, entry.batch, part === null, this.describeCopyAction()]);
    if (shown === this.shown) {
      return;
    }
    this.shown = shown;
    const isBatched = entry.batch !== null;
    this.state.className = entry.stage ? `at state ${DOTS[entry.stage]}` : "at";
    this.state.textContent = entry.fault && !entry.stage ? "" : this.say(this.describeState(step));
    const fault = entry.fault ?? (isBatched ? null : faultOfName(entry.name));
    this.problem.textContent = fault ? `✗ ${this.say(describeFault(fault))}` : "";
    const notes = [
      ...(hasHidden(entry.name) ? [message("submit-name-hidden")] : []),
      ...(entry.certificate?.state === "waiting"
        ? [entry.stage === "anchored" ? message("submit-certificate-making") : message("submit-certificate-waiting")]
        : []),
    ];
    this.note.textContent = notes.map(this.say).join(" ");
    this.number.textContent = entry.number ?? "";
    this.actions.replaceChildren(...this.listActions().map(([action, label]) => this.makeButton(action, label)));
  }

  private describeState(step: ReturnType<SubmissionList["step"]>): Text {
    switch (step) {
      case "hash":
        return message("submit-state-hashing");
      case "choose-again":
        return message("submit-state-choose-again");
      case "submit":
        return message("submit-state-ready");
      case "send":
        return message("submit-state-sending");
    }
    if (this.entry.stage !== "anchored") {
      return describeStage(this.entry.stage ?? "accepted");
    }
    return "finalByDepth" in find("tool").dataset ? message("anchor-state-final-by-depth") : message("submit-state-final");
  }

  /** Return what can be done about the copy while it is sent. */
  private describeCopyAction(): Action | null {
    const { entry, list: { copies } } = this;
    if (!this.list.wantsCopy(entry) || entry.evidence === null || isSettled(entry) || copies.isMissing(entry)) {
      return null;
    }
    if (copies.isPaused(entry) || entry.copyFault) {
      return "resume-copy";
    }
    return copies.isSending(entry) ? "pause-copy" : null;
  }

  private listActions(): [Action, Text][] {
    const { evidence, stage, certificate } = this.entry;
    if (evidence === null) {
      return [["remove", message("submit-remove")]];
    }
    const actions: [Action, Text][] = stage === "anchored" ? [["receipt", message("submit-receipt")]] : [];
    const copyAction = this.describeCopyAction();
    if (copyAction !== null) {
      actions.push([copyAction, copyAction === "pause-copy" ? message("submit-copy-pause") : message("submit-copy-resume")]);
    }
    if (certificate?.state === "issued") {
      const made = FILES.filter((kind) => certificate.files.includes(kind));
      return [...actions, ...made.map((kind): [Action, Text] =>
        [kind, message("submit-certificate-file", { kind: kind.toUpperCase() })])];
    }
    if (certificate?.state === "waiting") {
      return actions;
    }
    return [...actions, ["certify", message("submit-certify")]];
  }

  private makeButton(action: Action, label: Text): HTMLElement {
    const text = this.say(label);
    const button = make("button", {
      type: "button", class: "quiet", "aria-label": `${text}: ${showName(this.entry.name)}`, "data-action": action,
    }, text);
    button.addEventListener("click", () => this.act(action, this.entry));
    return button;
  }

  private readonly say = (text: Text): string => inLanguage(text, this.language);
}

/** Spell a number of bytes as people read it. */
export function spellSize(size: number, language: Language): string {
  const step = size > 0 ? Math.min(Math.floor(Math.log10(size) / 3), UNITS.length - 1) : 0;
  const unitDisplay = step === 0 ? "long" : "short";
  const options = { style: "unit", unit: UNITS[step]!, unitDisplay, maximumFractionDigits: 1 } as const;
  return (size / 1_000 ** step).toLocaleString(language === "zh" ? "zh-Hans" : "en", options);
}
