// Runs the script of the page for ZIP files without a page: one JSON request a line in, one answer out.
//
//     node batch_driver.mjs SCRIPT

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import vm from "node:vm";

vm.runInThisContext(readFileSync(process.argv[2], "utf8"), { filename: "batch.js" });
const { anchor } = globalThis;
const inBoth = (text) => text && ["en", "zh"].map((language) => anchor.inLanguage(text, language));

const ASKED = {
  limits: () => [anchor.MAX_ARCHIVE_BYTES, anchor.MAX_ENTRIES],
  neutralise: ({ cells }) => cells.map(anchor.neutralise),
  // The table of a ZIP file, or why the whole is refused.
  async zip({ data, padding, policy, block_hashes }) {
    const trust = {
      policy: policy && anchor.parsePolicy(Uint8Array.from(Buffer.from(policy))), connect: null,
      blockHashes: block_hashes.map((text) => text.replace(/^0x/, "")), chainIds: [], acceptUnpinned: false,
    };
    const parts = [];
    const archive = await anchor.openArchive(new Blob([new Uint8Array(padding), Buffer.from(data, "base64")]));
    const rows = await anchor.judgeArchive(archive, new Map(), anchor.judgeBy(trust), (part) => parts.push(part));
    return {
      parts,
      rows: rows.map((row) => ({ ...anchor.describeRow(row, "en"), tone: row.tone, said: inBoth(row.words), why: inBoth(row.reason) })),
      csv: anchor.writeCsv(rows, "en"),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { answer: await ASKED[request.ask](request) };
  } catch (error) {
    answer = error.code === undefined
      ? { bug: error.stack }
      : { code: error.code, message: error.message, chinese: inBoth(error.reason)[1] };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
