/** The report as the document that `anchor verify --json` prints (docs/schemas/verification.json). */

import { formatAddress } from "./bytes.ts";
import { formatTime } from "./checks.ts";
import release from "./release.json" with { type: "json" };
import { exitCode, type Report, verdictOf } from "./verdict.ts";

/** What a policy was read from; the page takes one that was chosen, or dropped and then confirmed. */
export interface PolicyFile {
  readonly file: string;
  /** Null where it was typed in, and is no document. */
  readonly sha256: string | null;
  readonly source: "chosen" | "dropped";
}

/** Describe one file's report; `policies` and `nodes` name what it rests on. */
export function describeReport(
  report: Report, file: string, policies: readonly PolicyFile[], nodes: readonly string[],
) {
  const titles: { readonly [number: string]: string } = release.en.steps;
  const code = exitCode(report);
  return {
    exit_code: code,
    policies,
    unused_project: null, // a page sees no folder
    nodes,
    files: [{
      file,
      exit_code: code,
      steps: report.steps.map(({ number, detail, error }) => ({
        number, title: titles[number]!, verdict: verdictOf(error), detail,
      })),
      claims: report.claims,
      anchors: report.proven.map((proven) => ({
        chain_id: proven.chainId,
        registry: formatAddress(proven.registry),
        log: `0x${proven.log}`,
        root: proven.root,
        size: proven.anchor.size,
        sequence: proven.anchor.sequence,
        block_number: proven.anchor.blockNumber,
        timestamp: proven.anchor.timestamp,
        submitter: formatAddress(proven.submitter),
        final_block_number: Number(proven.finalBlockNumber),
        final_block_hash: `0x${proven.finalBlockHash}`,
        existed_no_later_than: formatTime(proven.existedBy).replace(" ", "T") + "Z",
        assurance: proven.assurance,
        finality: proven.isAsserted ? "asserted" : "observed",
      })),
      unpinned: report.unpinned,
      not_proven: release.en.not_proven,
    }],
  };
}
