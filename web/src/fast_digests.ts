/** Digests by WebAssembly, where a worker's policy lets it, in memory that is used again and again. */

import { createSHA256, createSM3, type IHasher } from "hash-wasm";
import type { Hex } from "./bytes.ts";
import { type Algorithm, ALGORITHMS, changed, digestFile, type Progress } from "./digests.ts";

/** What a worker makes of a file: one digest, or both, one after the other. */
export type Job = Algorithm | "both";

const BUFFER_BYTES = 1 << 20;
const REPORTED_BYTES = 16 << 20;

const hashers = new Map<Algorithm, Promise<IHasher>>();
let buffer = new ArrayBuffer(0);

/** Digest a file without WebAssembly. */
export async function digestPlain(file: Blob, job: Job, progress: Progress): Promise<Hex> {
  const digests = await Promise.all(listAlgorithms(job).map((each) => digestFile(file, each, progress)));
  return digests.join("");
}

/** Digest a file, one at a time in this thread. */
export async function digestFast(file: Blob, job: Job, progress: Progress): Promise<Hex> {
  let states: IHasher[];
  let reader: ReadableStreamBYOBReader | null = null;
  try {
    states = await Promise.all(listAlgorithms(job).map(startHasher));
    if (file.size > BUFFER_BYTES) {
      reader = file.stream().getReader({ mode: "byob" });
    }
  } catch {
    return digestPlain(file, job, progress);
  }
  if (reader) {
    await readThrough(file, reader, (data) => states.forEach((state) => state.update(data)), progress);
  } else {
    const data = new Uint8Array(await file.arrayBuffer());
    checkSize(file, data.length);
    states.forEach((state) => state.update(data));
  }
  return states.map((state) => state.digest()).join("");
}

const listAlgorithms = (job: Job): readonly Algorithm[] => (job === "both" ? ALGORITHMS : [job]);

async function startHasher(algorithm: Algorithm): Promise<IHasher> {
  if (!hashers.has(algorithm)) {
    hashers.set(algorithm, algorithm === "sm3" ? createSM3() : createSHA256());
  }
  return (await hashers.get(algorithm)!).init();
}

async function readThrough(
  file: Blob, reader: ReadableStreamBYOBReader, take: (data: Uint8Array) => void, progress: Progress,
): Promise<void> {
  if (buffer.byteLength === 0) {
    // The first one, or a read that failed kept it.
    buffer = new ArrayBuffer(BUFFER_BYTES);
  }
  let [size, reported] = [0, 0];
  for (let isDone = false; !isDone; ) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    isDone = done;
    if (value) {
      buffer = value.buffer;
      take(value);
      size += value.length;
    }
    if (isDone || size - reported >= REPORTED_BYTES) {
      // Chromium compares a file's time of change where it begins to read: a file that changed is told.
      await file.slice(0, 1).arrayBuffer();
      progress(size);
      reported = size;
    }
  }
  checkSize(file, size);
}

/** Of a file that went away a browser may give nothing, and no error. */
function checkSize(file: Blob, size: number): void {
  if (size !== file.size) {
    throw changed();
  }
}
