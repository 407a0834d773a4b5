/**
 * Where the script of the service's page `/batch` begins: it verifies a ZIP file in the browser.
 *
 * The rules are in `anchor` as well, for whoever drives them without the page: the tests do.
 */

import { MAX_ARCHIVE_BYTES, MAX_ENTRIES, openArchive } from "./batch/archive.ts";
import { judgeBy, startPage } from "./batch/app.ts";
import { describeRow, neutralise, writeCsv } from "./batch/downloads.ts";
import texts from "./batch/texts.json" with { type: "json" };
import { judgeArchive } from "./batch/verification.ts";
import { inLanguage, useTemplates } from "./messages.ts";
import { parsePolicy } from "./policy.ts";

useTemplates(texts);
Object.assign(globalThis, {
  anchor: { MAX_ARCHIVE_BYTES, MAX_ENTRIES, describeRow, inLanguage, judgeArchive, judgeBy, neutralise, openArchive, parsePolicy, writeCsv },
});

if (typeof document !== "undefined") {
  startPage();
}
