/** The page on which evidence is submitted: what is chosen and typed, and the list of it. */

import { inLanguage, type Language, type Message, message, type Text } from "../messages.ts";
import { find, saveFile } from "../page/elements.ts";
import { listChosen, listDropped, type ChosenFile } from "./chosen_files.ts";
import type { Entry } from "./entry.ts";
import { showName } from "./names.ts";
import { describeProblem, summarise } from "./overview.ts";
import { type Action, Row } from "./rows.ts";
import type { Service } from "./service.ts";
import { LINE_FIELDS, LIST_FIELDS, makeTextFile, readGroups, type Stated, TIME_FIELDS } from "./statements.ts";
import type { SubmissionList } from "./submission_list.ts";

const PAGE_ROWS = 50;
const MOST_NAMED = 20;
const FIELDS = [...LINE_FIELDS, ...LIST_FIELDS, ...TIME_FIELDS];
// The value of a date that is typed in part is empty.
const PARTIAL = "?";
// What is shown follows what happens, in some tenth of the time: of a large list drawing takes long.
const DRAW_MILLISECONDS = 100;
const DRAW_SHARE = 10;

const readField = (id: string): string => {
  const field = find<HTMLInputElement>(id);
  return field.validity.badInput ? PARTIAL : field.value;
};

export class SubmitPage {
  private readonly language: Language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  private rows: Row[] = [];
  private page = 0;
  private isDue = false;
  private pause = DRAW_MILLISECONDS;
  private readonly unlisted: string[] = [];

  constructor(private readonly list: SubmissionList, private readonly service: Service) {}

  start(): void {
    const files = find<HTMLInputElement>("files");
    const folder = find<HTMLInputElement>("folder");
    for (const input of [files, folder]) {
      input.addEventListener("change", () => {
        const chosen = [...listChosen(input.files!)];
        // The same file can be chosen again, which is no change of the input otherwise.
        input.value = "";
        void this.add(chosen);
      });
    }
    this.takeDrops();
    find("text-form").addEventListener("submit", (event) => this.takeText(event));
    find("submit").addEventListener("click", () => void this.submit());
    find("again").addEventListener("click", () => this.list.resume());
    find("clear").addEventListener("click", () => this.clear());
    find("show").addEventListener("change", () => this.turn(0));
    find("back").addEventListener("click", () => this.turn(this.page - 1));
    find("forth").addEventListener("click", () => this.turn(this.page + 1));
    find("tool").hidden = false;
    this.draw();
  }

  /** Draw what is so by now, soon. */
  readonly changed = (): void => {
    if (!this.isDue) {
      this.isDue = true;
      setTimeout(() => {
        this.isDue = false;
        const started = performance.now();
        this.draw();
        this.pause = Math.max(DRAW_MILLISECONDS, DRAW_SHARE * (performance.now() - started));
      }, this.pause);
    }
  };

  /** Say something that has no place of its own. */
  tell(text: Text, isProblem = true): void {
    find("told").textContent = this.say(text);
    find("told").className = isProblem ? "problem" : "soft";
  }

  private readonly say = (text: Text): string => inLanguage(text, this.language);

  private takeDrops(): void {
    const over = (event: DragEvent, isOver: boolean) => {
      event.preventDefault();
      find("choose").classList.toggle("over", isOver);
    };
    // Anywhere: a file that misses the field would otherwise be opened instead of this page.
    document.addEventListener("dragover", (event) => over(event, true));
    document.addEventListener("dragleave", (event) => over(event, false));
    document.addEventListener("drop", (event) => {
      over(event, false);
      if (event.dataTransfer) {
        void this.add(this.withoutUnlisted(listDropped(event.dataTransfer)));
      }
    });
  }

  private async *withoutUnlisted(dropped: AsyncIterable<ChosenFile | string>): AsyncGenerator<ChosenFile> {
    for await (const each of dropped) {
      if (typeof each === "string") {
        this.unlisted.push(showName(each));
      } else {
        yield each;
      }
    }
  }

  private async add(chosen: Iterable<ChosenFile> | AsyncIterable<ChosenFile>): Promise<void> {
    this.tell("");
    const known = await this.list.add(chosen);
    const unlisted = this.unlisted.splice(0);
    if (unlisted.length > 0) {
      const names = unlisted.slice(0, MOST_NAMED).join(", ");
      this.tell(message("submit-not-listed", { names, count: unlisted.length }));
    } else if (known > 0) {
      this.tell(message("submit-already-listed", { count: known }), false);
    }
  }

  private takeText(event: Event): void {
    event.preventDefault();
    const [title, text] = [find<HTMLInputElement>("title").value, find<HTMLTextAreaElement>("text").value];
    const made = makeTextFile(title, text);
    this.showFaults(["title", "text"], made instanceof Map ? made : new Map());
    if (made instanceof Map) {
      return;
    }
    const { name, bytes } = made;
    const file = new File([bytes as Uint8Array<ArrayBuffer>], name, { type: "text/plain;charset=utf-8" });
    saveFile(name, file);
    find("text-saved").textContent = this.say(message("submit-text-saved", { name: showName(name) }));
    void this.add([{ name, file, isText: true, again: null }]);
  }

  private async submit(): Promise<void> {
    const stated = Object.fromEntries(["kind", ...FIELDS].map((id) => [id, readField(id)]));
    const groups = readGroups(stated as Stated);
    this.showFaults(FIELDS, groups instanceof Map ? groups : new Map());
    if (groups instanceof Map) {
      find<HTMLDetailsElement>("stated").open = true;
      find([...groups.keys()][0]!).focus();
      return;
    }
    // The box is there only where copies can be kept.
    const keep = (document.getElementById("keep") as HTMLInputElement | null)?.checked ?? false;
    await this.list.submit({ withNames: find<HTMLInputElement>("names").checked, groups, ...(keep ? { keep } : {}) });
  }

  private showFaults(fields: readonly string[], faults: ReadonlyMap<string, Message>): void {
    for (const field of fields) {
      const fault = faults.get(field);
      find(`${field}-error`).textContent = fault ? `✗ ${this.say(fault)}` : "";
      find(field).toggleAttribute("aria-invalid", false);
      if (fault) {
        find(field).setAttribute("aria-invalid", "true");
      }
    }
  }

  private clear(): void {
    if (confirm(this.say(message("submit-clear-question")))) {
      void this.list.remove([...this.list.entries]);
    }
  }

  private turn(page: number): void {
    this.page = page;
    this.draw();
    this.list.stages.look();
  }

  private draw(): void {
    const { entries } = this.list;
    const overview = summarise(this.list);
    find("summary").textContent = this.say(overview.text);
    find("missing").textContent = overview.missing > 0 ? this.say(message("submit-missing", { count: overview.missing })) : "";
    const missingCopies = entries.filter((entry) => this.list.copies.isMissing(entry)).length;
    find("missing-copies").textContent = missingCopies > 0 ? this.say(message("submit-copies-missing", { count: missingCopies })) : "";
    const progress = find<HTMLProgressElement>("overall");
    progress.hidden = overview.part === null;
    progress.value = overview.part ?? 0;
    find<HTMLButtonElement>("submit").disabled = overview.submittable === 0;
    find("list").hidden = entries.length === 0;
    this.drawProblem();
    const shown = find<HTMLSelectElement>("show").value === "amiss"
      ? entries.filter((entry) => entry.fault !== null || this.list.step(entry) === "choose-again")
      : entries;
    const pages = Math.max(1, Math.ceil(shown.length / PAGE_ROWS));
    this.page = Math.min(Math.max(this.page, 0), pages - 1);
    this.drawRows(shown.slice(this.page * PAGE_ROWS, (this.page + 1) * PAGE_ROWS));
    find("pages").hidden = pages === 1;
    find("place-of-page").textContent = this.say(message("submit-page", { page: this.page + 1, pages }));
    find<HTMLButtonElement>("back").disabled = this.page === 0;
    find<HTMLButtonElement>("forth").disabled = this.page === pages - 1;
  }

  private drawProblem(): void {
    const ailing = [this.list.patience, this.list.stages.patience].find(({ problem }) => problem !== null);
    const box = find("problem");
    box.hidden = !ailing;
    if (ailing) {
      find("problem-text").textContent = this.say(describeProblem(ailing.problem!));
      find("again").hidden = !ailing.isPaused;
      find("sign-in").hidden = ailing.problem!.status !== 401;
    }
  }

  private drawRows(entries: readonly Entry[]): void {
    const isSameRows = entries.length === this.rows.length && entries.every((entry, at) => this.rows[at]!.entry === entry);
    if (isSameRows) {
      this.rows.forEach((row) => row.update());
      return;
    }
    const kept = new Map(this.rows.map((row) => [row.entry, row]));
    this.rows = entries.map((entry) => kept.get(entry) ?? new Row(entry, this.list, this.language, this.act));
    this.rows.forEach((row) => row.update());
    find("pieces").replaceChildren(...this.rows.map(({ element }) => element));
    this.list.stages.visible = entries;
    this.list.stages.look();
  }

  private readonly act = (action: Action, entry: Entry): void => {
    this.tell("");
    this.perform(action, entry).catch((error: unknown) => this.tell(describeProblem(error)));
  };

  private async perform(action: Action, entry: Entry): Promise<void> {
    const base = entry.name.split("/").at(-1)!;
    switch (action) {
      case "remove":
        await this.list.remove([entry]);
        find("pieces-heading").focus();
        return;
      case "pause-copy":
        this.list.copies.pause(entry);
        return;
      case "resume-copy":
        this.list.copies.start(entry);
        return;
      case "certify":
        await this.list.certify(entry);
        if (entry.certificate?.state === "refused") {
          this.tell(message("submit-certificate-refused", { name: showName(base) }));
        }
        return;
      case "receipt": {
        const { data } = await this.service.file(`/v1/evidence/${entry.evidence}/receipt?until=anchored`);
        saveFile(`${base}.anchor.json`, data);
        return;
      }
    }
    const { name, data } = await this.service.file(`/v1/certificates/${entry.certificate!.id}/files/${action}`);
    saveFile(name ?? `${entry.evidence}.${action}`, data);
  }
}
