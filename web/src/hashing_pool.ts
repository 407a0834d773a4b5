/** Workers that digest many files, one after the other. */

import type { Hex } from "./bytes.ts";
import { type Algorithm, ALGORITHMS, askWorker } from "./digests.ts";

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
   * Both of its digests are made at the same time.  A refusal says why there are none.
   */
  async hash(file: Blob, report: (part: number) => void, signal: AbortSignal): Promise<{ sha256: Hex; sm3: Hex }> {
    const done = [0, 0];
    const [sha256, sm3] = await Promise.all(ALGORITHMS.map((algorithm, at) => this.run(file, algorithm, (bytes) => {
      done[at] = bytes;
      report((done[0]! + done[1]!) / (2 * file.size || 1));
    }, signal)));
    return { sha256: sha256!, sm3: sm3! };
  }

  private async run(file: Blob, algorithm: Algorithm, progress: (done: number) => void, signal: AbortSignal): Promise<Hex> {
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
        askWorker(hand, file, algorithm, progress).then(resolve, reject).finally(
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
