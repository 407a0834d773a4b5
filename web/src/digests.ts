/** Digests of a file that may be larger than memory: in pieces, on threads of their own. */

import { sha256 } from "@noble/hashes/sha2.js";
import { type Hex, toHex } from "./bytes.ts";
import { cannotCheck, isRefusal, type Refusal } from "./errors.ts";
import { message } from "./messages.ts";
import { Sm3 } from "./sm3.ts";

const CHUNK_BYTES = 4 << 20;
// The browser's own SHA-256 takes no pieces.  Up to here a file is given to it whole: measured in
// Chromium on 100 MB, 0.3 s instead of 1.2 s.
const MAX_WHOLE_BYTES = 128 << 20;
export const ALGORITHMS = ["sha256", "sm3"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];
export type Progress = (done: number) => void;
/** Digests a file; a job says which digests. */
export type Digest<Job> = (file: Blob, job: Job, progress: Progress) => Promise<Hex>;
interface State {
  update(data: Uint8Array): unknown;
  digest(): Hex | Uint8Array;
}
/** Of a worker: how far it is; in the end the digest, or why there is none (null: the file changed). */
type Answer = { done: number; digest?: Hex; problem?: string | null };

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): {
    createScriptURL(url: string): string;
  };
}

/** One file on its way to its digests, or to a refusal; `stop` gives them up. */
export interface Hashing {
  readonly digests: Promise<{ sha256: Hex; sm3: Hex; size: number }>;
  stop(): void;
}

/** Digest a file by workers that run this script; `report` hears how much of it, 0 to 1, is done. */
export function startHashing(file: Blob, script: string, report: (part: number) => void): Hashing {
  const done = [0, 0];
  const workers: Worker[] = [];
  const hashed = ALGORITHMS.map((algorithm, at) => {
    const progress = (bytes: number) => {
      done[at] = bytes;
      report((done[0]! + done[1]!) / (2 * file.size || 1));
    };
    const worker = startWorker(() => URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
    if (worker) {
      workers.push(worker);
    }
    return askWorker(worker, file, algorithm, progress, digestFile).finally(() => worker?.terminate());
  }).map((digest) => digest.catch((error: unknown) => {
    throw isRefusal(error) ? error : failed(String(error));
  }));
  return {
    digests: Promise.all(hashed).then(([sha256, sm3]) => ({ sha256: sha256!, sm3: sm3!, size: file.size })),
    stop: () => workers.forEach((worker) => worker.terminate()),
  };
}

/** Digest a file that comes in pieces, where it is; SM3 only if that is wanted. */
export async function hashPieces(
  pieces: AsyncIterable<Uint8Array>, withSm3: boolean,
): Promise<{ sha256: Hex; sm3: Hex | null; size: number }> {
  const [state, sm3] = [sha256.create(), withSm3 ? new Sm3() : null];
  let size = 0;
  for await (const piece of pieces) {
    state.update(piece);
    sm3?.update(piece);
    size += piece.length;
  }
  return { sha256: toHex(state.digest()), sm3: sm3?.digest() ?? null, size };
}

/** In a worker: digest each file that it is sent, one after the other. */
export function serveHashing<Job extends string>(digest: Digest<Job>): void {
  const scope = globalThis as unknown as Worker;
  const answer = (message: Answer) => scope.postMessage(message);
  scope.onmessage = ({ data }: MessageEvent<{ file: Blob; job: Job }>) => {
    digest(data.file, data.job, (done) => answer({ done })).then(
      (digest) => answer({ done: data.file.size, digest }),
      (error: unknown) => answer({ done: 0, problem: isRefusal(error) ? null : String(error) }),
    );
  };
}

export async function digestFile(file: Blob, algorithm: Algorithm, progress: Progress): Promise<Hex> {
  const native = (globalThis.crypto as Crypto | undefined)?.subtle;
  if (algorithm === "sha256" && native && file.size <= MAX_WHOLE_BYTES) {
    const data = await read(file, 0, file.size);
    return toHex(new Uint8Array(await native.digest("SHA-256", data)));
  }
  return digestPieces(file, algorithm === "sm3" ? new Sm3() : sha256.create(), progress);
}

/** Digest a file piece by piece. */
export async function digestPieces(file: Blob, state: State, progress: Progress): Promise<Hex> {
  const { size } = file;
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    const end = Math.min(at + CHUNK_BYTES, size);
    state.update(new Uint8Array(await read(file, at, end)));
    progress(end);
  }
  const digest = state.digest();
  return typeof digest === "string" ? digest : toHex(digest);
}

async function read(file: Blob, start: number, end: number): Promise<ArrayBuffer> {
  const data = await file.slice(start, end).arrayBuffer();
  // Of a file that went away a browser may give nothing, and no error.
  if (data.byteLength !== end - start) {
    throw changed();
  }
  return data;
}

/** Start a script as a worker; null where the browser does not let a page from a file. */
export function startWorker(address: () => string): Worker | null {
  try {
    const url = address();
    const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
    worker ??= types?.createPolicy("worker", { createScriptURL: (text) => text });
    const started = new Worker(worker?.createScriptURL(url) ?? url);
    URL.revokeObjectURL(url);
    return started;
  } catch {
    return null;
  }
}

export const changed = (): Refusal => cannotCheck(message("page-file-changed"));

/** Tell whether what is thrown says that the file changed. */
export const isChange = (error: unknown): boolean => isRefusal(error) && error.reason.id === changed().reason.id;

const failed = (problem: string): Refusal => cannotCheck(message("page-file-failed", { problem }));

let worker: ReturnType<TrustedTypes["createPolicy"]> | undefined;

/** Have a worker digest a file; this thread does it where there is none, or where it fails. */
export function askWorker<Job extends string>(
  worker: Worker | null, file: Blob, job: Job, progress: Progress, digest: Digest<Job>,
): Promise<Hex> {
  return worker === null ? digest(file, job, progress) : new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      if (data.problem !== undefined) {
        reject(data.problem === null ? changed() : failed(data.problem));
      } else if (data.digest !== undefined) {
        resolve(data.digest);
      } else {
        progress(data.done);
      }
    };
    worker.onerror = () => digest(file, job, progress).then(resolve, reject);
    worker.postMessage({ file, job });
  });
}
