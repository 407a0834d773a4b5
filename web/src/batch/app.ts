/** The part of `/batch` that verifies a ZIP file: what is chosen, and the table of what came of it. */

import { formatAddress, sha256 } from "../bytes.ts";
import { isRefusal } from "../errors.ts";
import { inLanguage, type Language, message, type Message, moment, type Text } from "../messages.ts";
import { find, make, saveFile, show } from "../page/elements.ts";
import { applyNotices } from "../notices.ts";
import { FieldProblem, inField, readBlockHashes } from "../page/given.ts";
import { MAX_POLICY_BYTES, parsePolicy, type TrustEntry } from "../policy.ts";
import { kindOf, sentenceOf } from "../release.ts";
import { describeTally, outcomeOf } from "../report.ts";
import { judge, type Trust } from "../verifier.ts";
import { openArchive } from "./archive.ts";
import { describeRow, writeCsv } from "./downloads.ts";
import { type BatchRow, describeUnmatched, judgeArchive, type JudgeReceipt, type Match, type Place } from "./verification.ts";

const FIELDS = ["zip", "policy", "hashes"] as const;
const MARKS = { pass: "✓", fail: "✗", unknown: "!", none: "–" } as const;
const MATCHES: { readonly [match in Match]: Message } = {
  digest: message("batch-zip-by-digest"),
  name: message("batch-zip-by-name"),
  none: message("batch-zip-file-missing"),
  notice: message("batch-zip-notice"),
};

/** Start the part of the page. */
export const startPage = (): void => new BatchPage().start();

/** Return what judges a receipt by what its reader trusts, and by the notices beside it. */
export const judgeBy = (trust: Trust): JudgeReceipt => async (receipt, evidence, _, notices) =>
  applyNotices(await judge(receipt, evidence, trust), notices, (notice, digests) => judge(notice, digests, trust));

class BatchPage {
  private readonly language: Language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  private rows: readonly BatchRow[] = [];
  /** The SHA-256 of the reader's policy; null without one. */
  private policy: string | null = null;
  private isBusy = false;

  start(): void {
    find("zip-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.verify();
    });
    find("zip-csv").addEventListener("click", () => save("csv", "text/csv", writeCsv(this.rows, this.language)));
    find("zip-json").addEventListener("click", () => {
      const rows = this.rows.map((row) => describeRow(row, this.language));
      save("json", "application/json", `${JSON.stringify({ policy: this.policy, rows }, null, 1)}\n`);
    });
    find("zip-tool").hidden = false;
  }

  private readonly say = (text: Text): string => inLanguage(text, this.language);

  private async verify(): Promise<void> {
    if (this.isBusy) {
      return;
    }
    this.isBusy = true;
    find("zip-results").hidden = true;
    this.showProblem(null);
    try {
      const [file] = find<HTMLInputElement>("zip").files ?? [];
      if (!file) {
        throw new FieldProblem("zip", message("batch-zip-missing"));
      }
      const trust = await this.readTrust();
      this.tell(message("page-hashing", { percent: 0 }));
      const archive = await openArchive(file).catch((error: unknown) => inField("zip", () => { throw error; }));
      this.rows = await judgeArchive(archive, new Map(), judgeBy(trust), (part) => this.tell(message("page-hashing", { percent: Math.floor(part * 100) })));
      this.showTable(show(file.name, 120));
    } catch (error) {
      this.complain(error);
    } finally {
      this.isBusy = false;
    }
  }

  private async readTrust(): Promise<Trust> {
    const [file] = find<HTMLInputElement>("policy").files ?? [];
    // What is longer than can be right is not read whole.
    const data = file && new Uint8Array(await file.slice(0, MAX_POLICY_BYTES + 1).arrayBuffer());
    const entries: readonly TrustEntry[] | null = data ? inField("policy", () => parsePolicy(data)) : null;
    this.policy = data ? sha256(data) : null;
    return { policy: entries, connect: null, blockHashes: readBlockHashes(), chainIds: [], acceptUnpinned: false };
  }

  private complain(error: unknown): void {
    if (error instanceof FieldProblem) {
      this.tell("");
      this.showProblem(error);
      find(error.id).focus();
    } else {
      this.tell(isRefusal(error) ? error.reason : message("page-failed", { problem: String(error) }));
    }
  }

  private showProblem(problem: FieldProblem | null): void {
    for (const id of FIELDS) {
      const isWrong = problem?.id === id;
      find(`${id}-error`).textContent = isWrong ? `✗ ${this.say(problem.reason)}` : "";
      find(id).setAttribute("aria-invalid", String(isWrong));
    }
  }

  private tell(text: Text): void {
    find("zip-status").textContent = this.say(text);
  }

  private showTable(name: string): void {
    const judged = this.rows.filter(({ receipt }) => receipt !== null);
    const unmatched = this.rows.filter(({ isUnmatched }) => isUnmatched);
    const tally = describeTally([...judged.flatMap(({ report }) => report ? [outcomeOf(report)] : []),
      ...unmatched.map(() => "failed" as const)]);
    const others = this.rows.length - judged.length - unmatched.length;
    this.tell(message("batch-zip-summary", { name, tally, others }));
    const named = describeUnmatched(unmatched, (file) => show(file, 120));
    find("zip-unmatched").textContent = named ? `✗ ${this.say(named)}` : "";
    find("zip-rows").replaceChildren(...this.rows.map((row) => this.showRow(row)));
    find("zip-results").hidden = false;
    find("zip-heading").focus();
  }

  private showRow({ tone, words, reason, receipt, files, match, place }: BatchRow): HTMLElement {
    const name = receipt ?? files[0]!;
    return make("tr", { "data-tone": tone },
      make("td", { class: "who" },
        make("span", { "aria-hidden": "true" }, `${MARKS[tone]} `), this.say(words),
        ...line("hash typed", show(name, 200)),
        ...(reason ? line("soft small", show(this.say(reason), 400)) : [])),
      make("td", { class: "who" }, ...(receipt === null ? ["–"] : this.showMatch(files, match))),
      make("td", { class: "keep" }, ...this.showTime(place)),
      make("td", { class: "who" }, ...(place ? [this.say(message("chain-by-number", { chain: place.chainId })),
        ...line("hash", formatAddress(place.registry))] : ["–"])));
  }

  private showMatch(files: readonly string[], match: Match): (Node | string)[] {
    return [this.say(MATCHES[match]), ...files.slice(0, 3).flatMap((file) => line("hash typed", show(file, 200))), ...(files.length > 3 ? [" …"] : [])];
  }

  private showTime(place: Place | null): (Node | string)[] {
    if (!place) {
      return ["–"];
    }
    const time = this.say(moment(place.timestamp));
    const worth = place.isProven ? sentenceOf(kindOf(place.chainId)) : message("batch-zip-stated");
    return worth ? [time, ...line("soft small", this.say(worth))] : [time];
  }
}

const line = (kind: string, text: string): Node[] => [make("br"), make("bdi", { class: kind }, text)];

function save(ending: string, type: string, text: string): void {
  saveFile(`anchor-zip.${ending}`, new Blob([text], { type }));
}
