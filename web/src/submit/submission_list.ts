/**
 * The list of what is submitted: hashing, sending and following, one after the other for each piece.
 *
 * What is submitted under which key is stored before it is sent, and starting again runs the same code
 * on what is stored: there is no other way to recover.
 */

import type { ChosenFile } from "./chosen_files.ts";
import { CopyQueue, type SendCopy } from "./copy_queue.ts";
import {
  type Batch, encodeLine, type Entry, faultIn, isSame, isSubmittable, nextStep, type Step,
} from "./entry.ts";
import { type Hasher, HashingQueue } from "./hashing_queue.ts";
import type { ListStore } from "./list_store.ts";
import { makeLoop, Patience } from "./patience.ts";
import { isTransient, type Service, type ServiceProblem } from "./service.ts";
import { StageFollower } from "./stage_follower.ts";

export interface Means {
  readonly store: ListStore;
  readonly service: Service;
  readonly hasher: Hasher;
  readonly newKey: () => string;
  readonly sleep: (seconds: number) => Promise<void>;
  /** What sends copies; missing where none can be kept. */
  readonly copying?: { readonly send: SendCopy; readonly tenant: string };
  /** What is shown is another. */
  readonly changed: () => void;
}

// Lines of one request: some 200 kB, answered in a fraction of a second.
const MOST_LINES = 500;
const MOST_SAVED = 1_000;
const SAVE_SECONDS = 0.3;
// Between two questions about a certificate that is being made.
const CERTIFICATE_SECONDS = 3;

export class SubmissionList {
  readonly entries: Entry[] = [];
  readonly hashing: HashingQueue;
  /** What ails sending. */
  readonly patience: Patience;
  readonly stages: StageFollower;
  readonly copies: CopyQueue;

  private readonly batches = new Map<string, Batch>();
  private readonly byName = new Map<string, Entry[]>();
  private readonly gone = new WeakSet<Entry>();
  private readonly unsaved = new Set<Entry>();
  private toSend: Entry[] = [];
  private next = 1;
  private readonly send = makeLoop(() => this.sendAll());
  private readonly save = makeLoop(() => this.saveAll());

  constructor(private readonly means: Means) {
    const { service, hasher, sleep, changed } = means;
    this.hashing = new HashingQueue(hasher, changed, (entry) => this.noteHashed(entry));
    this.patience = new Patience(sleep, changed);
    const pending = () => this.entries.filter((entry) => this.step(entry) === "follow");
    const { send, tenant } = means.copying ?? { send: null, tenant: "" };
    const note = (entry: Entry) => this.note(entry);
    this.copies = new CopyQueue(service, send, tenant, sleep, (entry) => this.wantsCopy(entry), note, changed);
    this.stages = new StageFollower(service, new Patience(sleep, changed), sleep, pending, (entry) => this.note(entry));
  }

  /** Take up what is stored, and go on with it. */
  async start(): Promise<void> {
    const { entries, batches } = await this.means.store.load();
    batches.forEach((batch) => this.batches.set(batch.key, batch));
    entries.forEach((entry) => this.insert(entry));
    this.toSend = entries.filter((entry) => this.step(entry) === "send");
    entries.forEach((entry) => this.copies.start(entry));
    entries.filter(({ certificate }) => certificate?.state === "waiting")
      .forEach((entry) => this.certify(entry).catch(() => {}));
    this.resume();
  }

  step(entry: Entry): Step {
    return nextStep(entry, this.hashing.has(entry));
  }

  /** Tell whether the bytes of an entry are to be sent: only of what was submitted with that wish. */
  wantsCopy({ batch }: Entry): boolean {
    return batch !== null && this.batches.get(batch)?.keep === true;
  }

  /** Add files to the list, and return how many are in it already. */
  async add(chosen: Iterable<ChosenFile> | AsyncIterable<ChosenFile>): Promise<number> {
    let known = 0;
    let added: Entry[] = [];
    for await (const each of chosen) {
      const entry = this.place(each);
      if (entry) {
        added.push(entry);
      } else {
        known += 1;
      }
      if (added.length === MOST_SAVED) {
        await this.take(added);
        added = [];
      }
    }
    await this.take(added);
    return known;
  }

  /**
   * Submit every entry that is not submitted yet, under one new key, with these options.
   *
   * Each entry has its key before this first waits: a second click finds nothing to submit.
   */
  async submit(options: Omit<Batch, "key">): Promise<void> {
    const batch = { key: this.means.newKey(), ...options };
    const chosen = this.entries.filter(isSubmittable);
    if (chosen.length === 0) {
      return;
    }
    for (const entry of chosen) {
      entry.fault = faultIn(entry, batch);
      entry.batch = entry.fault === null ? batch.key : null;
    }
    this.batches.set(batch.key, batch);
    this.means.changed();
    if (!batch.keep) {
      chosen.forEach((entry) => this.copies.drop(entry, false));
    }
    // A crash before this leaves them to be submitted anew; one after it, to be sent under this key.
    await this.means.store.save(chosen, batch);
    this.toSend.push(...chosen.filter((entry) => this.step(entry) === "send"));
    this.resume();
  }

  /** Take entries off the list; what the service has, it keeps. */
  async remove(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      this.gone.add(entry);
      this.hashing.drop(entry);
      this.copies.drop(entry);
      this.byName.set(entry.name, this.byName.get(entry.name)!.filter((other) => other !== entry));
    }
    const left = this.entries.filter((entry) => !this.gone.has(entry));
    this.entries.splice(0, this.entries.length, ...left);
    this.stages.restart();
    this.means.changed();
    await this.means.store.remove(entries);
  }

  /** Order a certificate, and hear of it until it is made. */
  async certify(entry: Entry): Promise<void> {
    const { service, sleep } = this.means;
    entry.certificate = await service.certify(entry.evidence!);
    this.note(entry);
    while (entry.certificate.state === "waiting" && !this.gone.has(entry)) {
      await sleep(CERTIFICATE_SECONDS);
      entry.certificate = await service.certificate(entry.certificate.id);
      this.note(entry);
    }
  }

  /** Go on after a problem. */
  resume(): void {
    this.patience.resume();
    this.stages.patience.resume();
    this.send();
    this.stages.follow();
    this.stages.look();
  }

  private insert(entry: Entry): void {
    this.entries.push(entry);
    this.byName.set(entry.name, [...(this.byName.get(entry.name) ?? []), entry]);
    this.next = Math.max(this.next, entry.id + 1);
  }

  /** Find the entry of a chosen file, or make it; null if nothing is to be done about it. */
  private place(chosen: ChosenFile): Entry | null {
    const { name, file: { size, lastModified: modified }, isText } = chosen;
    const known = (this.byName.get(name) ?? []).find((entry) => isSame(entry, { name, size, modified }));
    if (known && (this.hashing.has(known) || known.sha256 !== null)) {
      this.copies.hold(known, chosen.file);
      return null;
    }
    const entry: Entry = known ?? {
      id: this.next, name, size, modified, isText, sha256: null, sm3: null, fault: null, batch: null,
      evidence: null, stage: null, number: null, certificate: null,
    };
    entry.fault = null;
    this.hashing.keep(entry, chosen);
    this.copies.hold(entry, chosen.file);
    if (!known) {
      this.insert(entry);
    }
    // What had this name and was never hashed is not there any more: this is what became of it.
    const former = this.byName.get(name)!.filter((other) => other.sha256 === null && !this.hashing.has(other));
    if (former.length > 0) {
      void this.remove(former);
    }
    return entry;
  }

  private async take(added: Entry[]): Promise<void> {
    await this.means.store.save(added);
    this.means.changed();
    this.hashing.start();
  }

  private noteHashed(entry: Entry): void {
    this.note(entry);
    if (this.step(entry) === "send") {
      this.toSend.push(entry);
      this.send();
    }
  }

  private note(entry: Entry): void {
    this.unsaved.add(entry);
    this.means.changed();
    this.save();
  }

  private async saveAll(): Promise<void> {
    await this.means.sleep(SAVE_SECONDS);
    const entries = [...this.unsaved].filter((entry) => !this.gone.has(entry));
    this.unsaved.clear();
    await this.means.store.save(entries);
  }

  private async sendAll(): Promise<void> {
    for (let failures = 0; ; ) {
      this.toSend = this.toSend.filter((entry) => !this.gone.has(entry));
      const key = this.toSend[0]?.batch;
      if (!key || this.patience.isPaused) {
        return;
      }
      const part = this.toSend.slice(0, MOST_LINES).filter(({ batch }) => batch === key);
      try {
        await this.sendPart(part, this.batches.get(key)!);
        failures = 0;
        this.patience.end();
      } catch (error) {
        await this.patience.wait(error, failures++);
      }
      this.stages.look();
      this.stages.follow();
    }
  }

  private async sendPart(part: readonly Entry[], batch: Batch): Promise<void> {
    const answered = new Set<Entry>();
    let held: ServiceProblem | null = null;
    try {
      await this.means.service.submit(part.map((entry) => encodeLine(entry, batch)), batch.key, (at, answer) => {
        const entry = part[at]!;
        if (!("status" in answer)) {
          [entry.evidence, entry.stage] = [answer.id, answer.state];
        } else if (isTransient(answer)) {
          held = answer;
          return;
        } else {
          [entry.fault, entry.batch] = [{ detail: answer.detail }, null];
        }
        answered.add(entry);
        this.note(entry);
        this.copies.start(entry);
      });
    } finally {
      // A crash before these are stored has them sent again, and the service knows them by the key.
      this.toSend = this.toSend.filter((entry) => !answered.has(entry));
    }
    if (held) {
      throw held;
    }
  }
}
