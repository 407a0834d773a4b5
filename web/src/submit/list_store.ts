/** The list as this browser keeps it (IndexedDB), so that it survives a reload and a closed laptop. */

import type { Batch, Entry } from "./entry.ts";

/** Keeps the list; each method has succeeded once its promise has, and may be repeated. */
export interface ListStore {
  load(): Promise<{ entries: Entry[]; batches: Batch[] }>;
  save(entries: readonly Entry[], batch?: Batch): Promise<void>;
  remove(entries: readonly Entry[]): Promise<void>;
}

/** A store of what a browser does not keep. */
export const keepNothing: ListStore = {
  load: async () => ({ entries: [], batches: [] }),
  save: async () => {},
  remove: async () => {},
};

const VERSION = 1;
const STORES = ["entries", "batches"] as const;

/** Open the list of that name. */
export async function openList(name: string): Promise<ListStore> {
  const asked = indexedDB.open(`anchor-submit/${name}`, VERSION);
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore("entries", { keyPath: "id" });
    asked.result.createObjectStore("batches", { keyPath: "key" });
  };
  const database = await answerOf(asked);

  /** Change the stores in one transaction, which is on disk when this returns. */
  const change = (act: (entries: IDBObjectStore, batches: IDBObjectStore) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction(STORES, "readwrite", { durability: "strict" });
      act(transaction.objectStore("entries"), transaction.objectStore("batches"));
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });

  return {
    async load() {
      const transaction = database.transaction(STORES);
      const [entries, batches] = await Promise.all([
        answerOf(transaction.objectStore("entries").getAll() as IDBRequest<Entry[]>),
        answerOf(transaction.objectStore("batches").getAll() as IDBRequest<Batch[]>),
      ]);
      return { entries, batches };
    },
    save: (entries, batch) => change((stored, batches) => {
      if (batch) {
        batches.put(batch);
      }
      entries.forEach((entry) => stored.put(entry));
    }),
    remove: (entries) => change((stored) => entries.forEach(({ id }) => stored.delete(id))),
  };
}

const answerOf = <Value>(asked: IDBRequest<Value>): Promise<Value> =>
  new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
