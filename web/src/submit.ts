/**
 * Where the script of the service's page for submitting begins: in the page it starts the page, in a
 * worker it hashes.
 *
 * The rules are in `anchor` as well, for whoever drives them without the page: the tests do.
 */

import { serveHashing, startWorker } from "./digests.ts";
import { digestFast } from "./fast_digests.ts";
import { HashingPool } from "./hashing_pool.ts";
import { inLanguage, message, useTemplates } from "./messages.ts";
import { find } from "./page/elements.ts";
import { SubmitPage } from "./submit/app.ts";
import type { SendCopy } from "./submit/copy_queue.ts";
import { describeFault, encodeLine } from "./submit/entry.ts";
import { keepNothing, openList, type ListStore } from "./submit/list_store.ts";
import { faultOfName, hasHidden, showName } from "./submit/names.ts";
import { describeProblem, summarise } from "./submit/overview.ts";
import { connect, ServiceProblem } from "./submit/service.ts";
import { makeTextFile, readGroups } from "./submit/statements.ts";
import { SubmissionList } from "./submit/submission_list.ts";
import texts from "./submit/texts.json" with { type: "json" };

const MOST_WORKERS = 4;

useTemplates(texts);
Object.assign(globalThis, {
  anchor: {
    HashingPool, ServiceProblem, SubmissionList, connect, describeFault, describeProblem, encodeLine, faultOfName, hasHidden,
    inLanguage, makeTextFile, readGroups, showName, summarise,
  },
});

if (typeof document !== "undefined") {
  void startPage((document.currentScript as HTMLScriptElement).src);
} else if ("WorkerGlobalScope" in globalThis) {
  serveHashing(digestFast);
}

async function startPage(script: string): Promise<void> {
  const { tenant, person } = find("tool").dataset as { tenant: string; person: string };
  const name = `${tenant}/${person}`;
  if (!await lock(name)) {
    find("elsewhere").hidden = false;
    return;
  }
  const service = connect(tenant);
  // There is this script only where copies can be kept.
  const { sendCopy } = globalThis as { readonly sendCopy?: SendCopy };
  const list = new SubmissionList({
    store: await open(name, () => page.tell(message("submit-not-kept"))),
    service,
    hasher: new HashingPool(() => startWorker(() => script), Math.min(navigator.hardwareConcurrency || 2, MOST_WORKERS)),
    newKey: makeKey,
    ...(sendCopy ? { copying: { send: sendCopy, tenant } } : {}),
    sleep: (seconds) => new Promise((resolve) => setTimeout(resolve, 1_000 * seconds)),
    changed: () => page.changed(),
  });
  const page = new SubmitPage(list, service);
  await list.start();
  page.start();
}

/** Take the list for this tab; false if another one has it. Where browsers have no locks, each has it. */
function lock(name: string): Promise<boolean> {
  const locks = navigator.locks as LockManager | undefined;
  return locks === undefined ? Promise.resolve(true) : new Promise((resolve) => {
    void locks.request(`anchor-submit/${name}`, { ifAvailable: true }, (held) => {
      resolve(held !== null);
      return new Promise<void>((keep) => held ?? keep());
    });
  });
}

/** Open the stored list; `fail` hears once that this browser keeps nothing. */
async function open(name: string, fail: () => void): Promise<ListStore> {
  try {
    return keepGoing(await openList(name), fail);
  } catch {
    setTimeout(fail);
    return keepNothing;
  }
}

/** Let what cannot be stored be lost when the page closes: submitting goes on. */
function keepGoing(store: ListStore, fail: () => void): ListStore {
  return {
    load: () => store.load(),
    save: (entries, batch) => store.save(entries, batch).catch(fail),
    remove: (entries) => store.remove(entries).catch(fail),
  };
}

/** Return a key that nobody else has; `crypto.randomUUID` is missing where there is no TLS. */
function makeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
