// Runs the script of the page for submitting without a page: one JSON request a line in, one answer out.
//
//     node submit_driver.mjs SCRIPT
//
// The service and the browser's store are simulated: each effect of the list on them can fail before or
// after it is applied, or be the last thing that happens before the page is closed.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import vm from "node:vm";

vm.runInThisContext(readFileSync(process.argv[2], "utf8"), { filename: "submit.js" });
const { anchor } = globalThis;
const inBoth = (text) => ["en", "zh"].map((language) => anchor.inLanguage(text, language));
const NEVER = new Promise(() => {});
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Counts effects; the one numbered `at` goes wrong: it is applied before that, or it is not. */
class Fate {
  count = 0;

  constructor(at, isApplied, isCrash) {
    Object.assign(this, { at, isApplied, isCrash });
  }

  async meet(apply) {
    this.count += 1;
    if (this.isOver) {
      return NEVER;
    }
    const isMet = this.count === this.at;
    if (!isMet || this.isApplied) {
      await apply();
    }
    if (isMet && this.isCrash) {
      this.isOver = true;
      return NEVER;
    }
    if (isMet) {
      throw new anchor.ServiceProblem(0, "no answer");
    }
    return undefined;
  }
}

/** The browser's store. */
class Store {
  entries = new Map();
  batches = new Map();

  open(fate) {
    return {
      load: async () => structuredClone({ entries: [...this.entries.values()], batches: [...this.batches.values()] }),
      save: (entries, batch) => {
        const [kept, keptBatch] = structuredClone([entries, batch]);
        // Only a closed page ends this otherwise: the page itself goes on without what is not stored.
        return fate.meet(async () => {
          kept.forEach((entry) => this.entries.set(entry.id, entry));
          if (keptBatch) {
            this.batches.set(keptBatch.key, keptBatch);
          }
        }).catch(() => {});
      },
      remove: async (entries) => entries.forEach(({ id }) => this.entries.delete(id)),
    };
  }
}

/** The service: what is recorded, by key and line. */
class Service {
  recorded = new Map();
  refusals = [];
  asked = 0;

  open(fate, { half = false } = {}) {
    return {
      submit: async (lines, key, heard) => {
        this.asked += 1;
        const refusal = this.refusals.shift();
        if (refusal) {
          throw new anchor.ServiceProblem(refusal.status, refusal.detail ?? "", refusal.retryAfter ?? null);
        }
        const most = half ? Math.ceil(lines.length / 2) : lines.length;
        await fate.meet(async () => {
          lines.slice(0, most).forEach((line) => this.record(key, line));
        });
        lines.slice(0, most).forEach((line, at) => heard(at, { id: this.record(key, line), state: "accepted" }));
        if (most < lines.length) {
          throw new anchor.ServiceProblem(0, "no answer");
        }
      },
      status: async (id) => ({ id, state: "anchored", number: `N${id}` }),
      follow: async (id, heard) => {
        for (const state of ["accepted", "sealed", "anchored"]) {
          await turn();
          heard({ id, state, number: `N${id}` });
        }
      },
    };
  }

  record(key, line) {
    const name = `${key} ${line}`;
    if (!this.recorded.has(name)) {
      this.recorded.set(name, `id-${this.recorded.size}`);
    }
    return this.recorded.get(name);
  }

  get names() {
    return [...this.recorded.keys()].map((name) => JSON.parse(name.slice(name.indexOf(" "))).name);
  }
}

const chosen = (names) => names.map((name) => ({ name, file: { size: name.length, lastModified: 1 }, isText: false, again: null }));
let keys = 0;

function openList(store, service, fate, { changing = [], waits = [], ...options } = {}) {
  return new anchor.SubmissionList({
    store: store.open(fate),
    service: service.open(fate, options),
    hasher: {
      count: 2,
      async hash(file) {
        await turn();
        const digest = String(file.size).padStart(64, "0");
        return { sha256: digest, sm3: digest };
      },
    },
    newKey: () => `key-${++keys}`,
    sleep: async (seconds) => {
      waits.push(seconds);
      await turn();
    },
    changed: () => {},
  });
}

async function settle(list, fate, most = 400) {
  for (let count = 0; count < most && !fate.isOver; count++) {
    await turn();
    if (list.entries.length > 0 && list.entries.every((entry) => entry.stage === "anchored" && entry.number)) {
      return;
    }
  }
}

const OPTIONS = { withNames: true, groups: {} };

/** Choose files and submit them twice at once, with a fate; then as often as it takes without one. */
async function live(names, fate, { isHashed, ...options }) {
  const [store, service] = [new Store(), new Service()];
  const list = openList(store, service, fate, options);
  await list.start();
  const act = async () => {
    await list.add(chosen(names));
    for (let count = 0; isHashed && count < 20; count++) {
      await turn();
    }
    await Promise.all([list.submit(OPTIONS), list.submit(OPTIONS)]);
  };
  await Promise.race([act(), settle(list, fate)]);
  await settle(list, fate);
  const met = fate.count >= fate.at;
  const batches = store.batches.size;
  // The page is opened anew, the files are chosen again, and what is not submitted is submitted.
  const calm = new Fate(0);
  const again = openList(store, service, calm);
  await again.start();
  await again.add(chosen(names));
  await again.submit(OPTIONS);
  await settle(again, calm);
  return {
    met, batches, recorded: service.names.sort(), stages: again.entries.map(({ stage }) => stage),
    numbers: new Set(again.entries.map(({ number }) => number)).size,
  };
}

const ASKED = {
  name: ({ name }) => {
    const fault = anchor.faultOfName(name);
    return { fault: fault && inBoth(anchor.describeFault(fault)), shown: anchor.showName(name), hidden: anchor.hasHidden(name) };
  },
  groups: ({ stated }) => {
    process.env.TZ = "Asia/Shanghai";
    const groups = anchor.readGroups({
      kind: "", origin: "", generation: "", storage: "", place: "", method: "", collectors: "", witnesses: "",
      started: "", ended: "", ...stated,
    });
    return groups instanceof Map ? { faults: [...groups.keys()] } : groups;
  },
  text: ({ title, text }) => {
    const made = anchor.makeTextFile(title, text);
    return made instanceof Map
      ? { faults: [...made.keys()] }
      : { name: made.name, data: Buffer.from(made.bytes).toString("base64") };
  },
  line: ({ entry, batch }) => anchor.encodeLine(entry, batch),
  problem: ({ status, retryAfter }) =>
    inBoth(anchor.describeProblem(new anchor.ServiceProblem(status, "its own words", retryAfter ?? null))),
  // Every effect in turn goes wrong, until there are no more.
  async fates({ names, isApplied, isCrash, ...options }) {
    const lives = [];
    for (let at = 1; ; at++) {
      const lived = await live(names, new Fate(at, isApplied, isCrash), options);
      if (!lived.met) {
        return lives;
      }
      lives.push(lived);
    }
  },
  // The service refuses what is sent with these answers, one after the other.
  async refusals({ names, refusals, resume }) {
    const [store, service, fate, waits] = [new Store(), new Service(), new Fate(0), []];
    service.refusals = refusals;
    const list = openList(store, service, fate, { waits });
    await list.start();
    await list.add(chosen(names));
    await list.submit(OPTIONS);
    await settle(list, fate);
    const isPaused = list.patience.isPaused;
    const first = { recorded: service.names.sort(), asked: service.asked, isPaused, waits: waits.filter((each) => each >= 1) };
    if (resume) {
      list.resume();
      await settle(list, fate);
    }
    return { ...first, after: service.names.sort() };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { answer: await ASKED[request.ask](request) };
  } catch (error) {
    answer = { bug: error.stack };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
