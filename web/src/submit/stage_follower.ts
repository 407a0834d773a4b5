/** Following how far the evidence of the list has come. */

import type { Entry } from "./entry.ts";
import { makeLoop, type Patience } from "./patience.ts";
import { asServiceProblem, isLost, type Service, type Status } from "./service.ts";

const PAUSE_SECONDS = 3;
// Between two questions about evidence: the service grants an address 100 a second.
const ASK_SECONDS = 0.03;

export class StageFollower {
  /** The entries that are looked at: news of them are asked for first. */
  visible: readonly Entry[] = [];
  /** Follow what is to be followed, until it is anchored. */
  readonly follow = makeLoop(() => this.followAll());
  /** Ask how far the entries are that are looked at. */
  readonly look = makeLoop(() => this.askEach(this.visible));
  private abort = new AbortController();

  /** `pending` returns the entries that are not as far as they come; `note` hears of each that changed. */
  constructor(
    private readonly service: Service,
    readonly patience: Patience,
    private readonly sleep: (seconds: number) => Promise<void>,
    private readonly pending: () => Entry[],
    private readonly note: (entry: Entry) => void,
  ) {}

  /** Begin anew: the list is another. */
  restart(): void {
    this.abort.abort();
  }

  /**
   * Hear of one entry as it goes on, the last one.
   *
   * Once that is anchored the others mostly are: they are asked for, and what is left is followed.
   */
  private async followAll(): Promise<void> {
    for (let failures = 0; ; ) {
      const entry = this.pending().at(-1);
      if (!entry || this.patience.isPaused) {
        return;
      }
      this.abort = new AbortController();
      const { signal } = this.abort;
      try {
        await this.service.follow(entry.evidence!, (status) => {
          this.learn(entry, status);
          this.look();
        }, signal);
        failures = 0;
      } catch (error) {
        if (!signal.aborted && !this.isGone(entry, error)) {
          await this.patience.wait(error, failures++);
        }
        continue;
      }
      if (entry.stage === "anchored") {
        await this.askEach(this.pending());
      } else {
        await this.sleep(PAUSE_SECONDS);
      }
    }
  }

  private async askEach(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      if (this.patience.isPaused) {
        return;
      }
      if (entry.evidence === null || entry.fault !== null || (entry.number !== null && entry.stage === "anchored")) {
        continue;
      }
      try {
        this.learn(entry, await this.service.status(entry.evidence));
        await this.sleep(ASK_SECONDS);
      } catch (error) {
        if (!this.isGone(entry, error)) {
          await this.patience.wait(error, 0);
          return;
        }
      }
    }
  }

  private learn(entry: Entry, { state, number }: Status): void {
    this.patience.end();
    if (entry.stage !== state || entry.number !== number) {
      entry.stage = state;
      entry.number = number;
      this.note(entry);
    }
  }

  /** Note that the service has an entry no more: it was erased. */
  private isGone(entry: Entry, error: unknown): boolean {
    const problem = asServiceProblem(error);
    if (isLost(problem)) {
      entry.fault = { detail: problem.detail };
      this.note(entry);
    }
    return isLost(problem);
  }
}
