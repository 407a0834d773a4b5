/** Waiting for a service that does not do what it is asked, and loops that begin again. */

import { asServiceProblem, isTransient, type ServiceProblem } from "./service.ts";

const MOST_BACKOFF_SECONDS = 30;
// Beyond it somebody should decide: a quota may be used up until tomorrow.
const MOST_WAIT_SECONDS = 60;

export class Patience {
  /** What the service last refused, or that it did not answer. */
  problem: ServiceProblem | null = null;
  /** Nothing is asked until somebody says so. */
  isPaused = false;

  /** `changed`: the problem is another. */
  constructor(private readonly sleep: (seconds: number) => Promise<void>, private readonly changed: () => void) {}

  /** Note what is wrong, and wait until it may be better; where waiting does not help, pause. */
  async wait(error: unknown, failures: number): Promise<void> {
    this.problem = asServiceProblem(error);
    const seconds = Math.max(this.problem.retryAfter ?? 0, Math.min(2 ** failures, MOST_BACKOFF_SECONDS));
    this.isPaused = !isTransient(this.problem) || seconds > MOST_WAIT_SECONDS;
    this.changed();
    if (!this.isPaused) {
      await this.sleep(seconds);
    }
  }

  /** Note that the service answers. */
  end(): void {
    if (this.problem !== null) {
      this.resume();
    }
  }

  resume(): void {
    this.problem = null;
    this.isPaused = false;
    this.changed();
  }
}

/** Return what runs `act`, or runs it once more after the run that is under way. */
export function makeLoop(act: () => Promise<void>): () => void {
  let isRunning = false;
  let again = false;
  const run = async () => {
    isRunning = true;
    try {
      do {
        again = false;
        await act();
      } while (again);
    } finally {
      isRunning = false;
    }
  };
  return () => {
    again = true;
    if (!isRunning) {
      void run();
    }
  };
}
