/**
 * Where the one script begins: in the page it starts the page, in a worker it hashes.
 *
 * What judges is in `anchor` as well, for whoever drives it without the page: the tests do.
 */

import release from "./release.json" with { type: "json" };
import * as bytes from "./bytes.ts";
import { checkBag, digestManifest, readReceipt } from "./bag.ts";
import { chooseReceipt, readBundle } from "./bundle.ts";
import { encodeCanonical, parseCanonical, parseStrict } from "./canonical.ts";
import { judgeCustody, readEvent, readEvents } from "./custody.ts";
import { describeReport } from "./report_json.ts";
import { digestFile, serveHashing } from "./digests.ts";
import { parseHeader } from "./header.ts";
import { checkBeacon } from "./history_proof.ts";
import { verifyInclusion } from "./merkle.ts";
import { applyNotices, listNotices, readNotice } from "./notices.ts";
import { verifyTrieProof } from "./trie.ts";
import { openZip } from "./zip.ts";
import { openArchive } from "./archive.ts";
import { judgeArchive } from "./receipts_zip.ts";
import { startPage } from "./page/app.ts";
import { inLanguage, useTemplates } from "./messages.ts";
import { connectTo } from "./node_quorum.ts";
import { parseNotBefore } from "./not_before.ts";
import { numberRecord } from "./preservation_number.ts";
import { readBeacon, Reader } from "./receipt.ts";
import { parseRecord } from "./record.ts";
import { checkCaptures, checkRecordedFiles } from "./recorded_files.ts";
import { judgeAccount } from "./record_groups.ts";
import { listStatements } from "./record_statements.ts";
import { expectedCodeHash, findChain, nameOf, REGISTRY, sentenceOf } from "./release.ts";
import { areDistinct } from "./json_rpc.ts";
import { Sm3 } from "./sm3.ts";
import { quote } from "./text.ts";
import { checkAccount, checkAnchor, checkSubmitter } from "./state_proof.ts";
import { parsePolicy } from "./policy.ts";
import { exitCode, shownClaims } from "./report.ts";
import { judge } from "./verifier.ts";

useTemplates(release);
Object.assign(globalThis, {
  anchor: {
    ...bytes, REGISTRY, Sm3, applyNotices, areDistinct, checkAccount, checkAnchor, checkBag, checkBeacon, checkCaptures, checkRecordedFiles, checkSubmitter, chooseReceipt, connectTo,
    describeReport, digestManifest, encodeCanonical, exitCode, expectedCodeHash, findChain, inLanguage, judge, judgeAccount, judgeArchive, judgeCustody, listNotices, listStatements, nameOf, numberRecord, openArchive, openZip, parseHeader, parseNotBefore, parsePolicy, parseRecord,
    parseCanonical, parseStrict, quote, readBeacon, readBundle, Reader, readEvent, readEvents, readNotice, readReceipt, sentenceOf, shownClaims, verifyInclusion, verifyTrieProof,
  },
});

if (typeof document !== "undefined") {
  startPage(document.currentScript!.textContent!);
} else if ("WorkerGlobalScope" in globalThis) {
  serveHashing(digestFile);
}
