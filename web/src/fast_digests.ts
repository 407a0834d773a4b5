/** Digests by WebAssembly, where a worker's policy lets it: some twice as fast as without it. */

import { createSHA256, createSM3, type IHasher } from "hash-wasm";
import type { Hex } from "./bytes.ts";
import { type Algorithm, digestFile, digestPieces, type Progress } from "./digests.ts";

const states = new Map<Algorithm, Promise<IHasher>>();

/** Digest a file, one at a time in this thread. */
export async function digestFast(file: Blob, algorithm: Algorithm, progress: Progress): Promise<Hex> {
  let state: IHasher;
  try {
    if (!states.has(algorithm)) {
      states.set(algorithm, algorithm === "sm3" ? createSM3() : createSHA256());
    }
    state = (await states.get(algorithm)!).init();
  } catch {
    return digestFile(file, algorithm, progress);
  }
  return digestPieces(file, state, progress);
}
