/** The files that are to be hashed, in the order in which they were chosen. */

import type { Hex } from "../bytes.ts";
import { isChange } from "../digests.ts";
import type { ChosenFile } from "./chosen_files.ts";
import { type Entry, isSame } from "./entry.ts";

/** Hashes files, `count` of them at the same time. */
export interface Hasher {
  readonly count: number;
  /** Raises a Refusal if the file changed meanwhile. */
  hash(file: Blob, report: (part: number) => void, signal: AbortSignal): Promise<{ sha256: Hex; sm3: Hex }>;
}

export class HashingQueue {
  /** How much of each file that is being hashed is done, 0 to 1. */
  readonly progress = new Map<Entry, number>();
  private readonly files = new Map<Entry, ChosenFile>();
  private readonly aborts = new Map<Entry, AbortController>();
  private waiting: Entry[] = [];
  private at = 0;
  private hands = 0;

  /** `report`: how much of a file is done is another; `done`: an entry has its digests, or its fault. */
  constructor(
    private readonly hasher: Hasher, private readonly report: () => void, private readonly done: (entry: Entry) => void,
  ) {}

  /** Tell whether the bytes of an entry can be read. */
  has(entry: Entry): boolean {
    return this.files.has(entry);
  }

  /** Keep the file of an entry, whose turn comes with `start`. */
  keep(entry: Entry, chosen: ChosenFile): void {
    this.files.set(entry, chosen);
    this.waiting.push(entry);
  }

  /** Give an entry up. */
  drop(entry: Entry): void {
    this.aborts.get(entry)?.abort();
    this.files.delete(entry);
    this.progress.delete(entry);
  }

  start(): void {
    for (; this.hands < this.hasher.count; this.hands++) {
      void this.work().finally(() => { this.hands -= 1; });
    }
  }

  private async work(): Promise<void> {
    while (this.at < this.waiting.length) {
      const entry = this.waiting[this.at++]!;
      const chosen = this.files.get(entry);
      if (chosen) {
        await this.hash(entry, chosen);
      }
    }
    this.waiting = [];
    this.at = 0;
  }

  private async hash(entry: Entry, { file, again }: ChosenFile): Promise<void> {
    const abort = new AbortController();
    this.aborts.set(entry, abort);
    this.progress.set(entry, 0);
    try {
      const digests = await this.hasher.hash(file, (part) => {
        this.progress.set(entry, part);
        this.report();
      }, abort.signal);
      const last = again && await again();
      if (last && !isSame(entry, { name: entry.name, size: last.size, modified: last.lastModified })) {
        entry.fault = "changed";
      } else {
        Object.assign(entry, digests);
      }
    } catch (error) {
      // A browser does not say why it cannot read a file: it was changed, removed, or is locked.
      entry.fault = isChange(error) ? "changed" : "unreadable";
    }
    this.aborts.delete(entry);
    this.progress.delete(entry);
    // From here on the digests are enough; what could not be read has to be chosen again.
    this.files.delete(entry);
    if (!abort.signal.aborted) {
      this.done(entry);
    }
  }
}
