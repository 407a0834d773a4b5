/** Workers that digest many files, one after the other. */

import type { Hex } from "./bytes.ts";
import { ALGORITHMS, askWorker } from "./digests.ts";
import { digestPlain, type Job } from "./fast_digests.ts";

// Above it a file's two digests are made at the same time.
const MOST_BOTH_BYTES = 4 << 20;
const DIGEST_DIGITS = 64;

/** A worker, or null where there is none: this thread then digests. */
type Hand = Worker | null;

export class HashingPool {
  private readonly idle: Hand[];
  private readonly waiting: ((hand: Hand) => void)[] = [];

  /** Keep `count` workers, which `start` makes. */
  constructor(private readonly start: () => Hand, readonly count: number) {
    this.idle = Array.from({ length: count }, start);
  }

  /**
   * Digest a file; `report` hears how much of it, 0 to 1, is done.
   *
   * A refusal says why it has no digests.
   */
  async hash(file: Blob, report: (part: number) => void, signal: AbortSignal): Promise<{ sha256: Hex; sm3: Hex }> {
    const jobs: readonly Job[] = file.size > MOST_BOTH_BYTES ? ALGORITHMS : ["both"];
    const done = jobs.map(() => 0);
    const digests = await Promise.all(jobs.map((job, at) => this.run(file, job, (bytes) => {
      done[at] = bytes;
      report(done.reduce((sum, each) => sum + each) / (jobs.length * file.size || 1));
    }, signal)));
    const both = digests.join("");
    return { sha256: both.slice(0, DIGEST_DIGITS), sm3: both.slice(DIGEST_DIGITS) };
  }

  private async run(file: Blob, job: Job, progress: (done: number) => void, signal: AbortSignal): Promise<Hex> {
    let hand = this.idle.length > 0 ? this.idle.pop()! : await new Promise<Hand>((take) => this.waiting.push(take));
    try {
      return await new Promise<Hex>((resolve, reject) => {
        const stop = () => {
          hand?.terminate();
          hand = this.start();
          reject(signal.reason);
        };
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        signal.addEventListener("abort", stop, { once: true });
        askWorker(hand, file, job, progress, digestPlain).then(resolve, reject).finally(
          () => signal.removeEventListener("abort", stop),
        );
      });
    } finally {
      const next = this.waiting.shift();
      if (next) {
        next(hand);
      } else {
        this.idle.push(hand);
      }
    }
  }
}
