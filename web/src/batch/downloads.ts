/** The table of a ZIP file as CSV and JSON, as anchor/service/pages/number_table.py writes its own. */

import { formatAddress } from "../bytes.ts";
import { inLanguage, type Language, type Text } from "../messages.ts";
import { formatTime } from "../text.ts";
import type { BatchRow } from "./verification.ts";

// With these a spreadsheet takes a cell for a formula.
const FORMULA = /^ *[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

/** Return a cell's text so that no spreadsheet takes it for a formula. */
export const neutralise = (cell: string): string => (FORMULA.test(cell) ? `'${cell}` : cell);

/** Describe a row by plain values, its words in a language. */
export function describeRow(row: BatchRow, language: Language) {
  const say = (text: Text | null) => text && inLanguage(text, language);
  const { place } = row;
  return {
    verdict: say(row.words),
    reason: say(row.reason),
    exit_code: row.code,
    receipt: row.receipt,
    files: row.files,
    matched_by: row.match === "digest" || row.match === "name" ? row.match : null,
    preservation_number: row.number,
    block_time: place && `${formatTime(place.timestamp).replace(" ", "T")}Z`,
    block_time_is: place && (place.isProven ? "proven" : "stated"),
    chain_id: place && place.chainId,
    registry: place && formatAddress(place.registry),
  };
}

/** Return the table as CSV (RFC 4180, UTF-8 with its mark), in which no cell is a formula. */
export function writeCsv(rows: readonly BatchRow[], language: Language): string {
  const described = rows.map((row) => describeRow(row, language));
  const names = ["verdict", "reason", "exit_code", "receipt", "files", "matched_by", "preservation_number", "block_time",
    "block_time_is", "chain_id", "registry"] as const;
  const lines = described.map((row) => names.map((name) => quoteCell(spell(row[name]))));
  return `\ufeff${[names, ...lines].map((cells) => `${cells.join(",")}\r\n`).join("")}`;
}

const spell = (value: string | number | readonly string[] | null): string =>
  neutralise(value === null ? "" : typeof value === "object" ? value.join("\n") : String(value));

const quoteCell = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
