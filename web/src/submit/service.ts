/** The service as this page asks it (docs/service.md): with the browser's session, for one tenant. */

import type { Hex } from "../bytes.ts";
import type { KeptCopy } from "./copy_queue.ts";
import { type Certificate, type Stage, STAGES } from "./entry.ts";

/** The service did not do what it was asked; `status` is 0 if it did not answer. */
export class ServiceProblem extends Error {
  constructor(
    readonly status: number,
    /** In the service's own words. */
    readonly detail: string,
    /** After how many seconds the same may succeed, if it says so. */
    readonly retryAfter: number | null = null,
    /** The name of what it says, for programs. */
    readonly id: string | null = null,
  ) {
    super(detail);
  }
}

/** Tell whether the same may succeed later without anybody doing anything. */
export const isTransient = ({ status }: ServiceProblem): boolean =>
  status === 0 || status === 408 || status === 429 || status >= 500;

/** Tell whether the service no longer has what it was asked about, rather than the reader no access. */
export const isLost = ({ status, id }: ServiceProblem): boolean =>
  status === 410 || (status === 404 && id === "evidence-unknown-to-tenant");

export const asServiceProblem = (error: unknown): ServiceProblem =>
  error instanceof ServiceProblem ? error : new ServiceProblem(0, String(error));

export interface Status {
  readonly id: Hex;
  readonly state: Stage;
  readonly number: string | null;
  readonly copy: KeptCopy | null;
}

export type Answer = { readonly id: Hex; readonly state: Stage } | ServiceProblem;

/** What the list needs of the service. Everything may be asked again. */
export interface Service {
  /**
   * Submit lines under an idempotency key: `heard` gets the answer to each, by its place, once that
   * line is on the service's disk.  A ServiceProblem ends it: lines without an answer were not taken in.
   */
  submit(lines: readonly string[], key: string, heard: (at: number, answer: Answer) => void): Promise<void>;
  status(id: Hex): Promise<Status>;
  /** Hear of each change until the evidence is anchored, or the service ends the answer. */
  follow(id: Hex, heard: (status: Status) => void, signal: AbortSignal): Promise<void>;
  /** Return the newest certificate that stands or is being made; order one if there is none. */
  certify(id: Hex): Promise<Certificate>;
  certificate(id: string): Promise<Certificate>;
  /** Return a file with the name that the service gives it, if any. */
  file(path: string): Promise<{ name: string | null; data: Blob }>;
}

/** Ask the service of this site for a tenant. */
export function connect(tenant: string): Service {
  const ask = async (path: string, options: RequestInit = {}): Promise<Response> => {
    // Errors are shown in the language of the page, which may be another than the browser's.
    const headers = { "Anchor-Tenant": tenant, "Accept-Language": document.documentElement.lang, ...options.headers };
    let answer: Response;
    try {
      answer = await fetch(path, { redirect: "error", ...options, headers });
    } catch (error) {
      throw failed(error);
    }
    if (!answer.ok) {
      throw await readProblem(answer);
    }
    return answer;
  };
  const read = async (path: string, options?: RequestInit): Promise<unknown> =>
    (await ask(path, options)).json();
  const post = (path: string) => read(path, { method: "POST" });
  return {
    async submit(lines, key, heard) {
      const headers = { "Content-Type": "application/x-ndjson", "Idempotency-Key": key };
      const answer = await ask("/v1/bulk", { method: "POST", headers, body: `${lines.join("\n")}\n` });
      for await (const text of split(answer, "\n")) {
        const said = JSON.parse(text) as BulkLine;
        if (said.lines !== undefined) {
          return;
        }
        const problem = said.problem && asProblem(said.problem);
        if (said.line === undefined) {
          throw problem ?? new ServiceProblem(0, "");
        }
        heard(said.line - 1, problem ?? { id: said.id!, state: said.state! });
      }
      throw new ServiceProblem(0, "");
    },
    async status(id) {
      return readStatus(await read(`/v1/evidence/${id}`));
    },
    async follow(id, heard, signal) {
      const answer = await ask(`/v1/evidence/${id}/events`, { signal });
      for await (const event of split(answer, "\n\n")) {
        const [, kind, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
        if (kind === "state") {
          heard(readStatus(JSON.parse(data!)));
        } else if (kind === "problem") {
          throw asProblem(JSON.parse(data!) as ProblemDocument);
        }
      }
    },
    async certify(id) {
      const path = `/v1/evidence/${id}/certificates`;
      const ordered: Certificate[] = [];
      for (let query: string | null = ""; query !== null;) {
        const page = await read(path + query) as CertificatesDocument;
        ordered.push(...page.certificates.map(readCertificate));
        query = page.next === null ? null : `?after=${encodeURIComponent(page.next)}`;
      }
      const standing = ordered.filter(({ state }) => state === "issued" || state === "waiting").at(-1);
      return standing ?? readCertificate(await post(path));
    },
    certificate: async (id) => readCertificate(await read(`/v1/certificates/${id}`)),
    async file(path) {
      const answer = await ask(path);
      if (answer.status !== 200) {
        throw new ServiceProblem(answer.status, "", Number(answer.headers.get("Retry-After") ?? 5));
      }
      const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? null;
      return { name, data: await answer.blob() };
    },
  };
}

interface ProblemDocument {
  readonly status: number;
  readonly id?: string;
  readonly detail: string;
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
}

interface BulkLine {
  readonly lines?: number;
  readonly line?: number;
  readonly id?: Hex;
  readonly state?: Stage;
  readonly problem?: ProblemDocument;
}

type CertificatesDocument = { readonly certificates: readonly CertificateDocument[]; readonly next: string | null };
type CertificateDocument = Omit<Certificate, "files"> & { readonly files: object | null };

const readCertificate = (document: unknown): Certificate => {
  const { id, state, files } = document as CertificateDocument;
  return { id, state, files: Object.keys(files ?? {}) };
};

function readStatus(document: unknown): Status {
  const { id, state, number, kept_copy: copy } = document as Status & { readonly kept_copy?: KeptCopy | null };
  if (!STAGES.includes(state)) {
    throw new ServiceProblem(0, String(state));
  }
  return { id, state, number, copy: copy ?? null };
}

/** Yield the parts of an answer while it arrives; what ends early is a problem. */
async function* split(answer: Response, by: string): AsyncGenerator<string> {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      const parts = (rest + value).split(by);
      rest = parts.pop()!;
      yield* parts.filter((part) => part !== "");
    }
  } catch (error) {
    throw error instanceof ServiceProblem ? error : failed(error);
  } finally {
    reader.cancel().catch(() => {});
  }
}

const failed = (error: unknown): unknown =>
  error instanceof DOMException && error.name === "AbortError" ? error : new ServiceProblem(0, String(error));

async function readProblem(answer: Response): Promise<ServiceProblem> {
  const seconds = Number(answer.headers.get("Retry-After") ?? Number.NaN);
  const retryAfter = Number.isFinite(seconds) ? seconds : null;
  try {
    return asProblem(await answer.json() as ProblemDocument, retryAfter);
  } catch {
    return new ServiceProblem(answer.status, answer.statusText, retryAfter);
  }
}

function asProblem({ status, id, detail, errors }: ProblemDocument, retryAfter: number | null = null): ServiceProblem {
  const reasons = (errors ?? []).map(({ pointer, message }) => `${pointer}: ${message}`);
  return new ServiceProblem(status, [detail, ...reasons].join("; "), retryAfter, id ?? null);
}
