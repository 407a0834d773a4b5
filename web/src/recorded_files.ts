/** A bag that is one piece of evidence, by the record of its manifest (anchor/bag/recorded_files.py). */

import { checkBag, type HashOriginal, type PackedExhibit, type ValidBag } from "./bag.ts";
import { type BagSource, checkNames } from "./bag_format.ts";
import { type Members, parseCanonical } from "./canonical.ts";
import { isRefusal, mismatch } from "./errors.ts";
import { message } from "./messages.ts";
import { type Digests, parseRecord } from "./record.ts";
import { readGroups } from "./record_groups.ts";

/** Return the groups that list or describe the files of a manifest; both are none. */
function readLists(record: string): { items: Members[] | null; isManifest: boolean } {
  parseRecord(record);
  const { groups } = readGroups(parseCanonical(record, message("evidence-record")) as Members);
  return { items: (groups.get("items") as Members[] | undefined) ?? null, isManifest: groups.has("manifest") };
}

/** Tell whether a record is that of a manifest: it lists files, or describes the list. */
export function listsFiles(record: string): boolean {
  const { items, isManifest } = readLists(record);
  return items !== null || isManifest;
}

/** Check that a bag's payload is what the record of its manifest lists, if it lists files. */
export function checkRecordedFiles(record: string, payload: ReadonlyMap<string, Digests>): void {
  const items = readLists(record).items;
  if (items === null) {
    return;
  }
  const differs = (name: string) => mismatch(message("evidence-bag-differs", { name }));
  const names = new Set(items.map((item) => item.get("path") as string));
  for (const item of items) {
    const [name, stated] = [item.get("path") as string, item.get("digests") as Members];
    const actual = payload.get(name);
    const fits = actual?.size === item.get("size") &&
      [...stated].every(([algorithm, digest]) => actual![algorithm as "sha256" | "sm3"] === digest);
    if (!fits) {
      throw differs(name);
    }
  }
  for (const name of [...payload.keys()].sort()) {
    if (!names.has(name)) {
      throw differs(name);
    }
  }
}

/** Check the captures in a bag whose manifest this original is, with its record. */
export async function checkCaptures(bag: ValidBag, { captures }: PackedExhibit, record: string, hash?: HashOriginal): Promise<void> {
  for (const folder of captures) {
    try {
      const capture = await checkBag(within(bag.source, folder), hash);
      if (!capture.isEvidence) {
        throw mismatch(message("bag-not-evidence"));
      }
      checkRecordedFiles(record, capture.payload);
    } catch (error) {
      if (!isRefusal(error)) {
        throw error;
      }
      throw mismatch(message("bag-capture-differs", { folder, reason: error.reason }));
    }
  }
}

/** Return the files in a folder of a bag, as those of a bag of their own. */
function within(source: BagSource, folder: string): BagSource {
  const sizes = new Map([...source.sizes].flatMap(([name, size]) =>
    name.startsWith(folder) ? [[name.slice(folder.length), size] as const] : []));
  checkNames(sizes, []);
  return { sizes, blob: (name) => source.blob(folder + name), read: (name) => source.read(folder + name) };
}
