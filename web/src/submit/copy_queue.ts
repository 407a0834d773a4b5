/**
 * Copies of originals that are to be kept: the bytes of files are sent, one or two at a time.
 *
 * Only what was submitted with that wish is sent.  The service knows how much of each has arrived, and is
 * asked before anything is sent: starting again, here or after a reload, goes on there.
 */

import type { Hex } from "../bytes.ts";
import { message, type Text } from "../messages.ts";
import type { Entry } from "./entry.ts";
import { asServiceProblem, isLost, isTransient, type Service, ServiceProblem } from "./service.ts";

/** A copy as the service has it. */
export interface KeptCopy {
  readonly state: "receiving" | "checking" | "waiting" | "kept" | "refused";
  readonly length: number;
  readonly received: number;
  readonly reason: "other-bytes" | "infected" | "damaged" | null;
  /** Where its upload goes on, while bytes are missing. */
  readonly upload: string | null;
}

/** Why a file was not sent: the answer's status, 0 if there is none, and what it says. */
export interface SendFailure {
  readonly status: number;
  readonly detail: string;
  readonly id: string | null;
}

/** Send a file, from where its upload is; `stop` ends it, and what has arrived stays.  `done` fails with a SendFailure. */
export type SendCopy = (
  file: File,
  target: { readonly tenant: string; readonly evidence: Hex; readonly upload: string | null },
  report: (sent: number, all: number) => void,
) => { readonly done: Promise<void>; readonly stop: () => void };

const HANDS = 2;
const POLL_SECONDS = 2;
const MOST_BACKOFF_SECONDS = 30;

export class CopyQueue {
  /** How much of each file that is being sent has been, 0 to 1. */
  readonly progress = new Map<Entry, number>();
  private readonly files = new Map<Entry, File>();
  private readonly stops = new Map<Entry, () => void>();
  private readonly paused = new Set<Entry>();
  private readonly settling = new Set<Entry>();
  private readonly gone = new WeakSet<Entry>();
  private readonly waiting: Entry[] = [];
  private hands = 0;
  private isPolling = false;

  /** `wants`: the copy of an entry is to be kept; `note`: what is known of its copy is another. */
  constructor(
    private readonly service: Service,
    private readonly send: ((...args: Parameters<SendCopy>) => ReturnType<SendCopy>) | null,
    private readonly tenant: string,
    private readonly sleep: (seconds: number) => Promise<void>,
    private readonly wants: (entry: Entry) => boolean,
    private readonly note: (entry: Entry) => void,
    private readonly changed: () => void,
  ) {}

  /** Hold the file of an entry, whose bytes may be wanted. */
  hold(entry: Entry, file: File): void {
    if (this.send !== null) {
      this.files.set(entry, file);
      if (this.isOpen(entry)) {
        this.start(entry);
      }
    }
  }

  /** Let the file of an entry go. */
  drop(entry: Entry, isGone = true): void {
    if (isGone) {
      this.gone.add(entry);
    }
    this.files.delete(entry);
    this.stops.get(entry)?.();
  }

  /** Do what is to be done about the copy of an entry that was submitted. */
  start(entry: Entry): void {
    if (this.send === null || !this.wants(entry) || entry.evidence === null || isSettled(entry)) {
      return;
    }
    this.paused.delete(entry);
    entry.copyFault = null;
    if (!this.stops.has(entry) && !this.waiting.includes(entry)) {
      this.waiting.push(entry);
    }
    for (; this.hands < HANDS && this.waiting.length > 0; this.hands++) {
      void this.work().finally(() => { this.hands -= 1; });
    }
    this.changed();
  }

  /** Stop sending; what has arrived stays for a day. */
  pause(entry: Entry): void {
    this.paused.add(entry);
    this.stops.get(entry)?.();
    this.changed();
  }

  isSending(entry: Entry): boolean {
    return this.stops.has(entry);
  }

  isPaused(entry: Entry): boolean {
    return this.paused.has(entry);
  }

  /** Tell whether the file has to be chosen again, because the page has it no more. */
  isMissing(entry: Entry): boolean {
    return this.isOpen(entry) && !this.files.has(entry);
  }

  /** Tell whether bytes of an entry that was submitted are still to be sent. */
  private isOpen(entry: Entry): boolean {
    return this.send !== null && this.wants(entry) && entry.evidence !== null && entry.fault === null
      && (entry.copy ?? null)?.state !== "checking" && entry.copy?.state !== "waiting" && !isSettled(entry);
  }

  private async work(): Promise<void> {
    while (this.waiting.length > 0) {
      const entry = this.waiting.shift()!;
      for (let failures = 0; !this.gone.has(entry) && !this.paused.has(entry); failures++) {
        try {
          await this.attend(entry);
          if (!this.isOpen(entry) || !this.files.has(entry)) {
            break;
          }
          failures = 0;
        } catch (error) {
          const problem = asServiceProblem(error);
          if (isLost(problem)) {
            this.drop(entry);
            break;
          }
          if (!isTransient(problem)) {
            entry.copyFault = problem.detail;
            this.note(entry);
            break;
          }
          await this.sleep(Math.min(2 ** failures, MOST_BACKOFF_SECONDS));
        }
      }
    }
  }

  private async attend(entry: Entry): Promise<void> {
    await this.ask(entry);
    const file = this.files.get(entry);
    if (file && this.isOpen(entry)) {
      await this.sendFile(entry, file);
      await this.ask(entry);
    }
    if (entry.copy?.state === "checking" || entry.copy?.state === "waiting") {
      this.settling.add(entry);
      void this.poll();
    }
  }

  private async sendFile(entry: Entry, file: File): Promise<void> {
    const upload = entry.copy?.upload ?? null;
    this.progress.set(entry, (entry.copy?.received ?? 0) / (file.size || 1));
    const { done, stop } = this.send!(file, { tenant: this.tenant, evidence: entry.evidence!, upload }, (sent, all) => {
      this.progress.set(entry, sent / (all || 1));
      this.changed();
    });
    this.stops.set(entry, stop);
    this.changed();
    try {
      await done;
    } catch (error) {
      const { status, detail, id } = error as SendFailure;
      throw new ServiceProblem(status, detail, null, id);
    } finally {
      this.stops.delete(entry);
      this.progress.delete(entry);
      this.changed();
    }
  }

  private async ask(entry: Entry): Promise<void> {
    entry.copy = (await this.service.status(entry.evidence!)).copy;
    if (isSettled(entry)) {
      this.files.delete(entry);
    }
    this.note(entry);
  }

  /** Hear what comes of the copies that have arrived. */
  private async poll(): Promise<void> {
    if (this.isPolling) {
      return;
    }
    this.isPolling = true;
    for (let pause = POLL_SECONDS; this.settling.size > 0; pause = Math.min(2 * pause, MOST_BACKOFF_SECONDS)) {
      await this.sleep(pause);
      for (const entry of this.settling) {
        await this.ask(entry).catch(() => {});
        if (isSettled(entry) || this.gone.has(entry)) {
          this.settling.delete(entry);
          pause = POLL_SECONDS / 2;
        }
      }
    }
    this.isPolling = false;
  }
}

/** Tell whether nothing more comes of a copy. */
export const isSettled = ({ copy }: Entry): boolean => copy?.state === "kept" || copy?.state === "refused";

/** Return how far the copy of an entry is, which is to be kept, as a sentence. */
export function describeCopy(entry: Entry, copies: CopyQueue): Text {
  const { copy } = entry;
  const percent = Math.floor(100 * (copies.progress.get(entry) ?? (copy?.received ?? 0) / (copy?.length || entry.size || 1)));
  if (entry.copyFault) {
    return message("submit-copy-stopped", { detail: entry.copyFault });
  }
  switch (copy?.state) {
    case "checking":
      return message("submit-copy-checking");
    case "waiting":
      return message("submit-copy-waiting");
    case "kept":
      return message("submit-copy-kept");
    case "refused":
      return copy.reason === "infected"
        ? message("submit-copy-infected")
        : copy.reason === "damaged" ? message("submit-copy-damaged") : message("submit-copy-other-bytes");
  }
  if (entry.evidence === null) {
    return message("submit-copy-later");
  }
  if (copies.isMissing(entry)) {
    return message("submit-copy-choose-again", { percent });
  }
  return copies.isPaused(entry) ? message("submit-copy-paused", { percent }) : message("submit-copy-sending", { percent });
}
