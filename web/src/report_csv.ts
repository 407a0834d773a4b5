/** The files of a report as CSV, for a spreadsheet: a row for each. */

import type { DescribedFile } from "./report_json.ts";

// With these a spreadsheet takes a cell for a formula.
const FORMULA = /^ *[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

/** Return the table (RFC 4180, UTF-8 with its mark), in which no cell is a formula; texts are those of the JSON document. */
export function writeCsv(files: readonly DescribedFile[]): string {
  const rows = files.map(({ file, exit_code: code, headline = "", problem, number = null, anchors = [] }) => [
    file, String(code), headline, problem?.message ?? "", number ?? "",
    ...(["existed_no_later_than", "chain_id", "registry"] as const).map((name) => anchors.map((anchor) => anchor[name]).join("\n")),
  ]);
  const names = ["file", "exit_code", "headline", "problem", "number", "existed_no_later_than", "chain_id", "registry"];
  return `\ufeff${[names, ...rows].map((cells) => `${cells.map(spellCell).join(",")}\r\n`).join("")}`;
}

const spellCell = (text: string): string => `"${text.replace(FORMULA, "'$&").replaceAll('"', '""')}"`;
