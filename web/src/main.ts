/**
 * Where the one script begins: in the page it starts the page, in a worker it hashes.
 *
 * What judges is in `anchor` as well, for whoever drives it without the page: the tests do.
 */

import * as bytes from "./bytes.ts";
import { encodeCanonical, parseStrict } from "./canonical.ts";
import { describeReport } from "./document.ts";
import { serveHashing } from "./hashing.ts";
import { parseHeader } from "./header.ts";
import { verifyInclusion } from "./merkle.ts";
import { verifyTrieProof } from "./mpt.ts";
import { startPage } from "./page/app.ts";
import { toChinese } from "./page/chinese.ts";
import { connectTo } from "./quorum.ts";
import { parseRecord } from "./record.ts";
import { expectedCodeHash, findChain, REGISTRY, sentenceOf } from "./release.ts";
import { areDistinct } from "./rpc.ts";
import { Sm3 } from "./sm3.ts";
import { checkAccount, checkAnchor, checkSubmitter } from "./stateproof.ts";
import { parsePolicy } from "./trust.ts";
import { exitCode } from "./verdict.ts";
import { judge } from "./verify.ts";

Object.assign(globalThis, {
  anchor: {
    ...bytes, REGISTRY, Sm3, areDistinct, checkAccount, checkAnchor, checkSubmitter, connectTo, describeReport, encodeCanonical,
    exitCode, expectedCodeHash, findChain, judge, parseHeader, parsePolicy, parseRecord, parseStrict, sentenceOf,
    toChinese, verifyInclusion, verifyTrieProof,
  },
});

if (typeof document !== "undefined") {
  startPage(document.currentScript!.textContent!);
} else if ("WorkerGlobalScope" in globalThis) {
  serveHashing();
}
