/** The page: takes files and words in, verifies when it is asked to, and shows what came of it. */

import { chooseReceipt, isBundle, readBundle } from "../bundle.ts";
import { encodeUtf8, type Hex, sha256 } from "../bytes.ts";
import { describeReport } from "../report_json.ts";
import { writeCsv } from "../report_csv.ts";
import { type Hashing, startHashing } from "../digests.ts";
import { isRefusal, malformed } from "../errors.ts";
import { parseHeader } from "../header.ts";
import { inLanguage, join, type Language, message, type Message, named, type Text, unique } from "../messages.ts";
import { connectTo } from "../node_quorum.ts";
import { MAX_RECEIPT_BYTES, parseReceipt, type Receipt } from "../receipt.ts";
import type { Digests } from "../record.ts";
import { applyNotices, type Notice, readNotice } from "../notices.ts";
import { MAX_POLICY_BYTES, parsePolicy } from "../policy.ts";
import { listsFiles } from "../recorded_files.ts";
import { judge } from "../verifier.ts";
import { isZip, sortZip } from "../archive.ts";
import { bagIn, type BagOutcome, describeBag, type GivenBag, judgeBag, type JudgeOne, listFolder, showBag } from "./bag.ts";
import { download, find, make, saveFile, show } from "./elements.ts";
import {
  FieldProblem, inField, isCertificate, type Kind, type Policy, prepareFields, readBlockHashes, readChainIds, readDigest, readNodes,
  readPasted, readPins, sortFile, typed,
} from "./given.ts";
import { askWhose } from "./question.ts";
import { describeReceipts, judgeReceipts, type ReceiptsOutcome, showReceipts } from "./receipts.ts";
import { openOnPaper, type Outcome, type Say, showOutcome } from "./report.ts";

const PROBLEM_FIELDS = ["digest", "policy", "hashes", "nodes", "chains"];
/** Start the page; `script` is its own text, for the workers that hash. */
export function startPage(script: string): void {
  new Page(script).start();
}

class Page {
  private language: Language = "en";
  private file: File | null = null;
  private hashing: Hashing | null = null;
  private receipt: Uint8Array | null = null;
  /** The receipt's file, which is read line by line if it is a bundle, and the first receipt in it. */
  private bundle: File | null = null;
  private first: Receipt | null = null;
  private policy: { name: Text; data: Uint8Array; wasDropped: boolean } | null = null;
  /** A bag, whose receipts are in it: it is evidence itself if a receipt is given as well. */
  private bag: GivenBag | null = null;
  /** A ZIP file with receipts that is no bag, and the files that were given beside it. */
  private zip: File | null = null;
  private originals: readonly File[] = [];
  /** Files that were given together with the one that is verified. */
  private leftOut: readonly string[] = [];
  /** The notices that were dropped, by the names of their files. */
  private readonly notices = new Map<string, Notice>();
  private outcome: Outcome | BagOutcome | ReceiptsOutcome | null = null;
  private readonly chosen = new Map<Kind, Message>();
  /** What is said beside the button, and what is wrong in a field. */
  private status: Text = "";
  private problem: FieldProblem | null = null;
  private isBusy = false;
  /** What was chosen or dropped last is read by then. */
  private reading: Promise<void> = Promise.resolve();

  constructor(private readonly script: string) {}

  start(): void {
    for (const kind of ["file", "receipt", "policy"] as const) {
      const input = find<HTMLInputElement>(kind);
      input.addEventListener("change", () => {
        const files = [...(input.files ?? [])];
        if (kind === "file" && files.length > 1) {
          this.queue(files); // as if they were dropped: a receipt may be among them
        } else if (files[0]) {
          this.reading = this.take(files[0], kind).then(() => { this.leaveOut(kind === "file" ? files : []); });
        }
        input.value = ""; // so that the same file can be chosen again
      });
    }
    for (const language of ["en", "zh"] as const) {
      find(language).addEventListener("click", () => this.translate(language));
    }
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      // Entries are there during the event only.
      const entries = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.());
      const files = [...(event.dataTransfer?.files ?? [])].filter((_, at) => !entries[at]?.isDirectory);
      const folders = entries.filter((entry) => entry?.isDirectory) as FileSystemDirectoryEntry[];
      this.queue(files, folders);
    });
    prepareFields();
    openOnPaper();
    const form = find<HTMLFormElement>("form");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => this.describeTask());
    find("verify").addEventListener("click", () => void this.verify());
    const wanted = new URLSearchParams(location.search).get("lang") ?? navigator.language;
    this.translate(/^zh/i.test(wanted) ? "zh" : "en");
  }

  private readonly say: Say = (text) => inLanguage(text, this.language);

  private translate(language: Language): void {
    this.language = language;
    document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
    document.title = this.say(message("page-title"));
    for (const element of document.querySelectorAll<HTMLElement>("[data-t]")) {
      element.textContent = this.say(named(element.dataset["t"]!));
    }
    for (const name of ["en", "zh"]) {
      find(name).setAttribute("aria-pressed", String(name === language));
    }
    for (const [kind, text] of this.chosen) {
      find(`${kind}-chosen`).textContent = this.say(text);
    }
    this.tell(this.status);
    this.showProblem(this.problem);
    this.describeTask();
    this.showReport();
  }

  /** Take files one after the other: a question about those before has to be answered first. */
  private queue(files: File[], folders: FileSystemDirectoryEntry[] = []): void {
    this.reading = this.reading.catch(() => {}).then(() => this.takeAll(files, folders));
  }

  private async takeAll(files: File[], folders: FileSystemDirectoryEntry[]): Promise<void> {
    for (const folder of folders) {
      try {
        this.takeBag(await listFolder(folder));
      } catch (error) {
        this.complain(error);
      }
    }
    // Of several files the last one counts: that beside which a receipt lies, if it is among them, and no certificate.
    const named = new Set(files.map((file) => file.name));
    const rank = ({ name }: File) => named.has(`${name}.anchor.json`) ? 1 : isCertificate(name) ? -1 : 0;
    files.sort((one, other) => rank(one) - rank(other));
    const [policies, evidence, aside] = [[] as File[], [] as File[], [] as File[]];
    for (const file of files) {
      const kind = await sortFile(file).catch(() => "file" as const);
      if (kind === "policy") {
        policies.push(file);
      } else if (kind === "receipt" && (await this.takeNotice(file))) {
        this.describeTask();
      } else if (isCertificate(file.name) && !this.zip && (this.file ?? this.bag)) {
        aside.push(file); // it would take the place of the original
      } else {
        await this.take(file, kind);
        evidence.push(...(kind === "file" ? [file] : []));
      }
    }
    this.leaveOut(evidence, aside);
    for (const file of policies) {
      await this.takeDropped(file);
    }
  }

  /** Note which of several files do not count: all but the last, unless they are originals of a ZIP file. */
  private leaveOut(files: readonly File[], aside: readonly File[] = []): void {
    if (files.length + aside.length > 0) {
      this.leftOut = this.zip ? [] : [...aside, ...files.slice(0, -1)].map(({ name }) => name);
      this.describeTask();
    }
  }

  /** Take a dropped receipt that is a notice's as such; return whether it is. */
  private async takeNotice(file: File): Promise<boolean> {
    try {
      const data = new Uint8Array(await file.slice(0, MAX_RECEIPT_BYTES + 1).arrayBuffer());
      const notice = await readNotice(file.name, data, true);
      if (notice) {
        this.forget();
        this.notices.set(file.name, notice);
      }
      return notice !== null;
    } catch {
      return false; // a receipt, or none, which step 1 will say
    }
  }

  /** Take a dropped file that looks like a policy for what the person says that it is. */
  private async takeDropped(file: File): Promise<void> {
    const data = new Uint8Array(await file.arrayBuffer());
    const answer = await askWhose(file.name, data, this.say);
    if (answer !== "neither") {
      await this.take(file, answer === "mine" ? "policy" : "file", true);
    }
  }

  private async take(file: File, kind: Kind, wasDropped = false): Promise<void> {
    this.forget();
    if (kind === "file") {
      const sort = await sortZip(file);
      if (sort === "bag") {
        this.takeBag(bagIn(file), file);
      } else if (sort === "receipts") {
        this.takeZip(file);
      } else if (this.zip) {
        this.takeOriginals(this.zip, [...this.originals, file]);
      } else {
        this.bag = null;
        this.hash(file);
      }
    } else {
      try {
        // A wrong file may be of any size: what is longer than can be right is not read whole.
        const data = new Uint8Array(await file.slice(0, MAX_POLICY_BYTES + 1).arrayBuffer());
        if (kind === "receipt") {
          this.receipt = data;
          this.bundle = isBundle(data) ? file : null;
          this.first = this.bundle && await readFirst(file);
        } else {
          this.policy = { name: file.name, data, wasDropped };
        }
        this.choose(kind, file);
      } catch (error) {
        this.choose(kind, file, message("page-file-failed", { problem: String(error) }));
      }
    }
    this.describeTask();
  }

  private takeBag(bag: GivenBag, file: File | null = null): void {
    this.forget();
    this.hashing?.stop();
    [this.bag, this.file, this.hashing, this.zip, this.originals] = [bag, file, null, null, []];
    this.choose("file", bag);
    this.describeTask();
  }

  private takeZip(file: File): void {
    // The file before it is one of its originals.
    const before = this.zip || this.bag || !this.hashing ? null : this.file;
    find("progress").hidden = true;
    this.hashing?.stop();
    [this.bag, this.file, this.hashing, this.zip] = [null, file, null, file];
    this.takeOriginals(file, before ? [before] : []);
  }

  private takeOriginals(zip: File, files: readonly File[]): void {
    this.originals = files;
    // With a receipt of its own, the file that was given last is the evidence.
    this.file = files.at(-1) ?? zip;
    this.choose("file", zip);
    if (files.length > 0) {
      const [name, names] = [show(zip.name, 120), join(files.slice(-9).map((file) => show(file.name, 60)))];
      this.name("file", message("page-zip-originals", { name, count: files.length, names }));
    }
  }

  private hash(file: File): void {
    this.hashing?.stop();
    this.file = file;
    const progress = find<HTMLProgressElement>("progress");
    progress.hidden = false;
    const hashing = startHashing(file, this.script, (part) => {
      if (this.hashing === hashing) {
        progress.value = part;
      }
    });
    this.hashing = hashing;
    this.choose("file", file);
    hashing.digests.then(
      () => { progress.hidden ||= this.hashing === hashing; },
      (error: unknown) => {
        if (this.hashing === hashing) {
          progress.hidden = true;
          this.hashing = this.file = null;
          this.choose("file", file, isRefusal(error) ? error.reason : String(error));
        }
      },
    );
  }

  /** Name the file that was chosen; `reason`: why it cannot be read. */
  private choose(kind: Kind, file: File | GivenBag, reason: Text | null = null): void {
    const name = show(file.name, 120);
    const text = reason
      ? message("page-file-unreadable", { name, reason })
      : message("page-file-ready", { name, size: file.size });
    this.name(kind, text);
    find(`${kind}-card`).classList.toggle("has", !reason);
  }

  private name(kind: Kind, text: Message): void {
    this.chosen.set(kind, text);
    find(`${kind}-chosen`).textContent = this.say(text);
  }

  /** What was given or said is another thing now: an earlier report is not about it. */
  private forget(): void {
    this.outcome = null;
    this.showReport();
  }

  /** Say which blocks the receipt asks for, and whom pressing the button would ask. */
  private describeTask(): void {
    const given = [...this.notices.keys()].map((name) => show(name, 120));
    const taken = given.length > 0 ? [this.say(message("page-notices-given", { names: join(given) }))] : [];
    const certificate = this.describeCertificate();
    taken.push(...(certificate ? [this.say(certificate)] : []));
    find("wanted").textContent = [this.describeWanted(), ...taken].filter(Boolean).join(" ");
    let names: string[] = [];
    try {
      names = this.nodesToAsk();
    } catch { /* a field's problem is told when the button is pressed */ }
    const asked = join(names);
    find("asks").textContent = this.say(asked
      ? message("page-asks-nodes", { names: asked })
      : message("page-asks-nobody"));
  }

  /** Say that a certificate which was given is no receipt; null if none was. */
  private describeCertificate(): Message | null {
    const given = [this.file?.name ?? "", ...this.leftOut].find(isCertificate);
    if (given === undefined) {
      return null;
    }
    const name = show(given, 120);
    return message("page-certificate-given", { name });
  }

  private describeWanted(): string {
    try {
      const pasted = readPasted();
      const { anchors } = (pasted ? null : this.first) ?? parseReceipt(pasted ?? this.receipt!);
      const each = anchors.map(({ chainId: chain, state }) => {
        const block = state && parseHeader(state.header).number;
        return block === null
          ? message("page-receipt-unproven", { chain })
          : message("page-receipt-block", { chain, block });
      });
      return each.map(this.say).join(" ") || this.say(message("page-receipt-promise"));
    } catch {
      return ""; // none yet, or none that can be read, which step 1 will say
    }
  }

  private nodesToAsk(): string[] {
    if (find<HTMLInputElement>("offline").checked) {
      return [];
    }
    const { rpc } = readNodes();
    const named = rpc.length > 0 ? rpc : (this.readPolicy()?.entries ?? []).flatMap((entry) => entry.rpc);
    return [...new Set(named.map((url) => new URL(url).origin))];
  }

  private readPolicy(): Policy | null {
    return inField("policy", () => {
      const pins = readPins();
      const text = typed("policy-text");
      const pasted = { name: message("page-policy-paste"), data: encodeUtf8(text), wasDropped: false };
      const policy = text ? pasted : this.policy;
      if (pins && policy) {
        throw malformed(message("page-policy-twice"));
      }
      if (pins) {
        return pins;
      }
      return policy && {
        entries: parsePolicy(policy.data), file: policy.name, sha256: sha256(policy.data),
        source: policy.wasDropped ? "dropped" : "option",
      };
    });
  }

  private async verify(): Promise<void> {
    if (this.isBusy) {
      return;
    }
    this.isBusy = true;
    this.forget();
    this.showProblem(null);
    this.tell("");
    try {
      await this.reading;
      this.outcome = await this.judge();
      this.tell("");
      this.showReport();
      find("headline").focus();
    } catch (error) {
      this.complain(error);
    } finally {
      this.isBusy = false;
    }
  }

  private async judge(): Promise<Outcome | BagOutcome | ReceiptsOutcome> {
    const given = readDigest();
    const receipt = readPasted() ?? this.receipt;
    const isManifest = receipt !== null && isOfManifest(receipt);
    const bag = this.bag ?? (isManifest && this.file && (await isZip(this.file)) ? bagIn(this.file) : null);
    if (bag && !given && (!receipt || !this.file || isManifest)) {
      return this.judgeBag(bag, receipt);
    }
    if (this.zip && !receipt && !given) {
      return judgeReceipts(this.zip, this.originals, this.script, this.readPolicy(), this.prepareJudge(), this.tellHashed);
    }
    if ((this.bag || this.zip) && this.file && !given) {
      this.hash(this.file);
    }
    if (!given && !this.hashing) {
      throw new FieldProblem("digest", message("page-file-missing"));
    }
    if (!receipt) {
      throw malformed(this.describeCertificate() ?? message("page-receipt-missing"));
    }
    const judgeOne = this.prepareJudge();
    const evidence = given ?? (await this.awaitDigests());
    this.tell(message("page-checking"));
    const file = given ? typed("digest") : this.file!.name;
    return judgeOne(await this.findReceipt(receipt, file, evidence), evidence, file);
  }

  private async judgeBag(bag: GivenBag, receipt: Uint8Array | null): Promise<BagOutcome | Outcome> {
    const judgeOne = this.prepareJudge();
    const find = receipt && ((evidence: Digests) => this.findReceipt(receipt, bag.name, evidence));
    return judgeBag(bag, this.script, this.readPolicy(), judgeOne, this.tellHashed, find);
  }

  private readonly tellHashed = (part: number): void => {
    const percent = Math.floor(Math.min(part, 1) * 100);
    this.tell(message("page-hashing", { percent }));
  };

  /** Read what the person named; return what judges a file by it. */
  private prepareJudge(): JudgeOne {
    const policy = this.readPolicy();
    const blockHashes: Hex[] = readBlockHashes();
    const chainIds = readChainIds();
    const { rpc, quorum } = readNodes();
    const asksNodes = this.nodesToAsk().length > 0;
    return async (receipt, evidence, file, inBag = [], checkFiles) => {
      const asked = { nodes: new Set<string>(), notes: new Set<Message>() };
      const trust = {
        policy: policy?.entries ?? null,
        connect: asksNodes ? connectTo(rpc, quorum, asked) : null,
        blockHashes,
        chainIds,
        acceptUnpinned: find<HTMLInputElement>("unpinned").checked,
      };
      const report = await applyNotices(await judge(receipt, evidence, trust, checkFiles), [...this.notices.values(), ...inBag],
        (notice, digests) => judge(notice, digests, trust));
      return { report, file, policy, nodes: [...asked.nodes], notes: unique([...asked.notes]), checkedAt: new Date() };
    };
  }

  /** Return what was given if it is a receipt, or the receipt of the file if it is a bundle. */
  private async findReceipt(data: Uint8Array, file: string, evidence: Digests): Promise<Uint8Array | Receipt> {
    if (!isBundle(data)) {
      return data;
    }
    const bundle = data === this.receipt ? this.bundle! : new Blob([data as Uint8Array<ArrayBuffer>]);
    const found = await chooseReceipt(bundle, evidence.size === null ? "" : file, evidence);
    if (!found) {
      const name = show(file, 120);
      throw malformed(message("page-bundle-lacks-receipt", { name }));
    }
    return found;
  }

  private async awaitDigests(): Promise<Digests> {
    const progress = find<HTMLProgressElement>("progress");
    const tick = setInterval(() => {
      const percent = Math.floor(progress.value * 100);
      this.tell(message("page-hashing", { percent }));
    }, 250);
    try {
      return await this.hashing!.digests;
    } finally {
      clearInterval(tick);
    }
  }

  private complain(error: unknown): void {
    if (error instanceof FieldProblem) {
      this.showProblem(error);
      this.tell(error.reason);
      find(error.id).focus();
    } else {
      this.tell(isRefusal(error) ? error.reason : message("page-failed", { problem: String(error) }));
    }
  }

  private showProblem(problem: FieldProblem | null): void {
    this.problem = problem;
    for (const id of PROBLEM_FIELDS) {
      find(`${id}-problem`).textContent = problem?.id === id ? this.say(problem.reason) : "";
      find(id).setAttribute("aria-invalid", String(problem?.id === id));
    }
  }

  private tell(text: Text): void {
    this.status = text;
    find("status").textContent = this.say(text);
  }

  private showReport(): void {
    const section = find("report");
    section.hidden = this.outcome === null;
    section.replaceChildren(...(this.outcome ? this.show(this.outcome) : []));
    if (this.outcome) {
      if (this.leftOut.length > 0) {
        const names = join(this.leftOut.map((name) => show(name, 60)));
        const said = this.say(message("page-files-left-out", { names }));
        section.prepend(make("p", { class: "problem" }, `! ${said}`));
      }
      section.append(make("p", { class: "go tools" },
        this.button(message("page-print"), () => print()),
        this.button(message("page-save", { kind: "JSON" }), () => download("verification.json", this.describe(this.outcome!))),
        this.button(message("page-save", { kind: "CSV" }), () =>
          saveFile("verification.csv", new Blob([writeCsv(this.describe(this.outcome!).files)], { type: "text/csv" })))));
    }
  }

  private show(outcome: Outcome | BagOutcome | ReceiptsOutcome): HTMLElement[] {
    if ("rows" in outcome) {
      return showReceipts(outcome, this.language);
    }
    return "outcomes" in outcome ? showBag(outcome, this.language) : showOutcome(outcome, this.language);
  }

  private button(label: Message, act: () => void): HTMLElement {
    const button = make("button", { type: "button", class: "plain-button" }, this.say(label));
    button.addEventListener("click", act);
    return button;
  }

  /** Describe the outcome as the document that `anchor verify --json` prints. */
  private describe(outcome: Outcome | BagOutcome | ReceiptsOutcome) {
    const { policy } = outcome;
    const policies = policy
      ? [{ file: inLanguage(policy.file, "en"), sha256: policy.sha256, source: policy.source }]
      : [];
    return "rows" in outcome ? describeReceipts(outcome, policies) : "outcomes" in outcome
      ? describeBag(outcome, policies)
      : describeReport(outcome.report, outcome.file, policies, outcome.nodes);
  }
}

/** Tell whether a receipt is that of a manifest; a ZIP file with another one is evidence itself. */
function isOfManifest(receipt: Uint8Array): boolean {
  try {
    return listsFiles(parseReceipt(receipt).record);
  } catch {
    return false; // step 1 says what is wrong with it
  }
}

/** Return the first receipt of a bundle; null if there is none that can be read. */
async function readFirst(file: Blob): Promise<Receipt | null> {
  try {
    return (await readBundle(file).next()).value ?? null;
  } catch {
    return null;
  }
}
