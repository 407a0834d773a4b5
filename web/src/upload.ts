/**
 * Sending of a file's bytes by tus (https://tus.io/protocols/resumable-upload), for the page for submitting.
 *
 * No other script sends bytes of a file, and the page loads this one only where copies can be kept.
 */

import { type DetailedError, Upload } from "tus-js-client";
import type { SendCopy, SendFailure } from "./submit/copy_queue.ts";

// Each request asks anew whether the session still stands.
const CHUNK_BYTES = 64 * 2 ** 20;
// Milliseconds between attempts; they begin anew whenever bytes have arrived.
const RETRY_DELAYS = [500, 2_000, 5_000, 10_000, 20_000, 30_000, 30_000, 30_000];
const TRANSIENT = [0, 408, 409, 423, 429];

const send: SendCopy = (file, { tenant, evidence, upload }, report) => {
  const address = (path: string) => new URL(path, location.href).href;
  let stopped = () => {};
  let transfer: Upload;
  const done = new Promise<void>((resolve, reject) => {
    stopped = resolve;
    transfer = new Upload(file, {
      endpoint: address("/v1/uploads"),
      uploadUrl: upload === null ? null : address(upload),
      metadata: { evidence },
      headers: { "Anchor-Tenant": tenant, "Accept-Language": document.documentElement.lang },
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_DELAYS,
      // The service knows which upload goes on.
      storeFingerprintForResuming: false,
      onProgress: report,
      onSuccess: () => resolve(),
      onError: (error) => reject(describe(error)),
      onShouldRetry: (error) => {
        const status = statusOf(error);
        return TRANSIENT.includes(status) || status >= 500;
      },
    });
    transfer.start();
  });
  const stop = (): void => {
    void transfer.abort().finally(stopped);
  };
  return { done, stop };
};

Object.assign(globalThis, { sendCopy: send });

const statusOf = (error: Error): number => (error as DetailedError).originalResponse?.getStatus() ?? 0;

function describe(error: Error): SendFailure {
  const status = statusOf(error);
  try {
    const { detail, id } = JSON.parse((error as DetailedError).originalResponse?.getBody() ?? "") as { detail: string; id: string };
    return { status, detail, id };
  } catch {
    return { status, detail: "", id: null };
  }
}
