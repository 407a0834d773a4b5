// Runs the page's own script without a page: one JSON request a line in, one answer a line out.
//
//     node page_driver.mjs SCRIPT

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import vm from "node:vm";

vm.runInThisContext(readFileSync(process.argv[2], "utf8"), { filename: "verify.html" });
const { anchor } = globalThis;
const bytes = (text) => anchor.fromHex(text.replace(/^0x/, ""));
const bare = (text) => text.replace(/^0x/, "");

async function judge({ receipt, evidence, policy, block_hashes, chain_ids, accept_unpinned, rpc, quorum }) {
  const asked = { nodes: new Set(), notes: new Set() };
  const trust = {
    policy: policy === null ? null : anchor.parsePolicy(anchor.encodeUtf8(policy)),
    connect: rpc === null ? null : anchor.connectTo(rpc, quorum, asked),
    blockHashes: block_hashes.map(bare),
    chainIds: chain_ids,
    acceptUnpinned: accept_unpinned,
  };
  const data = Uint8Array.from(Buffer.from(receipt, "base64"));
  return { report: await anchor.judge(data, evidence, trust), nodes: [...asked.nodes] };
}

const ASKED = {
  async judge(given) {
    const { report, nodes } = await judge(given);
    return anchor.describeReport(report, "file", [], nodes);
  },
  // What the report says, each sentence in English and in Chinese.
  async sentences(given) {
    const { report } = await judge(given);
    const said = [
      ...report.steps.flatMap(({ detail, error }) => [detail, error?.hint ?? detail]),
      ...report.claims.flatMap(({ title, reason }) => [title, reason]),
      ...report.unpinned, ...report.notes, ...report.notProven,
    ];
    return said.map(inBoth);
  },
  // The claims as the page shows them: the verdict of each, by its id.
  async shown(given) {
    const { report } = await judge(given);
    return Object.fromEntries(anchor.shownClaims(report).map(({ id, verdict }) => [id, verdict]));
  },
  // What each of many ends with, and nothing else: for campaigns.
  async codes({ cases }) {
    const codes = [];
    for (const given of cases) {
      codes.push(anchor.exitCode((await judge(given)).report));
    }
    return codes;
  },
  chain({ id }) {
    const chain = anchor.findChain(id);
    const name = chain && inBoth(anchor.nameOf(chain));
    return chain && { ...chain, name, name_id: undefined };
  },
  quote: ({ text }) => [anchor.quote(text), anchor.quote(text, true)],
  kind: ({ kind }) => inBoth(anchor.sentenceOf(kind)),
  distinct: ({ urls }) => anchor.areDistinct(urls),
  policy: ({ text }) => anchor.parsePolicy(Uint8Array.from(Buffer.from(text, "base64"))).length,
  proof({ root, key, proof }) {
    const value = anchor.verifyTrieProof(bare(root), bare(key), proof.map(bytes));
    return { value: value && `0x${anchor.toHex(value)}` };
  },
  header({ header }) {
    const { hash, number, timestamp, stateRoot } = anchor.parseHeader(bytes(header));
    return { hash: `0x${hash}`, number: Number(number), timestamp: Number(timestamp), state_root: `0x${stateRoot}` };
  },
  state(given) {
    const { header, held } = prove(given);
    return { number: Number(header.number), timestamp: Number(header.timestamp), word: held && `0x${pack(held)}` };
  },
  submitter(given) {
    const { proof, storage, registry, log, held } = prove(given);
    const submitter = anchor.checkSubmitter(proof, storage, registry, log, held.operatorId);
    return { operator_id: `0x${held.operatorId.toString(16)}`, submitter: `0x${submitter}` };
  },
  number({ record, number }) {
    if (anchor.numberRecord(record) !== number) {
      throw Object.assign(new Error("another number"), { code: 10, reason: "another number" });
    }
    return { number };
  },
  inclusion({ leaf, index, size, path, root }) {
    anchor.verifyInclusion(leaf, index, size, path, root);
    return {};
  },
  async bundle({ bundle, receipts: expected }) {
    const beacons = expected?.some((receipt) => "beacon" in receipt);
    const receipts = [];
    for await (const receipt of anchor.readBundle(new Blob([bundle]))) {
      const { size, root, path } = receipt.promise ?? receipt.anchors[0].head;
      const header = receipt.anchors[0]?.state?.beacon?.header;
      const beacon = header ? `0x${anchor.keccak256(header)}` : null;
      receipts.push({ index: receipt.index, record: receipt.record, size, root, path, ...(beacons ? { beacon } : {}) });
    }
    return { receipts };
  },
  beacon({ header, chain_id, anchored_at, not_before, beacon }) {
    const read = (value) => anchor.parseStrict(anchor.encodeUtf8(JSON.stringify(value)), "it", 1 << 20);
    const named = anchor.parseNotBefore(read(not_before));
    if (named === null) {
      throw Object.assign(new Error("the record names no block"), { code: 20, reason: "the record names no block" });
    }
    const members = new anchor.Reader(new Map([["beacon", read(beacon)]]), "");
    const proof = anchor.readBeacon(members.object("beacon"));
    const earlier = anchor.checkBeacon(proof, named, anchor.parseHeader(bytes(header)), chain_id, anchored_at);
    return { number: Number(earlier.number), timestamp: Number(earlier.timestamp) };
  },
  // What each of many files ends with by a bundle; 2 for one that it has no receipt of.
  async files({ bundle, files, policy, block_hashes }) {
    const trust = {
      policy: anchor.parsePolicy(anchor.encodeUtf8(policy)), connect: null, blockHashes: block_hashes.map(bare),
      chainIds: [], acceptUnpinned: false,
    };
    const found = [];
    for (const { name, ...evidence } of files) {
      const receipt = await anchor.chooseReceipt(new Blob([Buffer.from(bundle, "base64")]), name, evidence);
      found.push(receipt && [receipt.index, anchor.exitCode(await anchor.judge(receipt, evidence, trust))]);
    }
    return found;
  },
  // What each of many bags in ZIP files ends with: the exit codes of the bag and of its originals.
  async bags({ bags, policy, block_hashes, accept_unpinned = false }) {
    const trust = {
      policy: policy && anchor.parsePolicy(anchor.encodeUtf8(policy)), connect: null, blockHashes: block_hashes.map(bare),
      chainIds: [], acceptUnpinned: accept_unpinned,
    };
    const found = [];
    for (const data of bags) {
      try {
        const bag = await anchor.checkBag(await anchor.openZip(new Blob([Buffer.from(data, "base64")])));
        const [codes, claims, problems] = [[], [], []];
        const events = await anchor.readEvents(bag);
        const notices = await anchor.listNotices(bag.source, (name) => anchor.readReceipt(bag, name));
        for (const exhibit of bag.exhibits) {
          const { receipt, digests } = exhibit;
          const check = (record) => anchor.checkCaptures(bag, exhibit, record);
          const plain = await anchor.judge(await anchor.readReceipt(bag, receipt), digests, trust, check);
          const judgeEvent = ({ data, digests }) => anchor.judge(data, digests, trust);
          const chained = await anchor.judgeCustody(plain, events, judgeEvent);
          const judge = (notice, evidence) => anchor.judge(notice, evidence, trust);
          const report = await anchor.applyNotices(chained, notices, judge);
          const { verdict, reason } = report.claims.find(({ id }) => id === "C7");
          codes.push(anchor.exitCode(report));
          claims.push([verdict, reason.text]);
          problems.push(...report.steps.filter(({ error }) => error).map(({ detail }) => detail.text));
        }
        found.push([0, codes, claims, problems]);
      } catch (error) {
        if (error.code === undefined) {
          throw error;
        }
        found.push([error.code, [], inBoth(error.reason)[1]]);
      }
    }
    return found;
  },
  // What each receipt of a ZIP file ends with, and what is said of its other files.
  async receipts_zip({ data, padding, policy, block_hashes }) {
    const trust = {
      policy: policy && anchor.parsePolicy(anchor.encodeUtf8(policy)), connect: null, blockHashes: block_hashes.map(bare),
      chainIds: [], acceptUnpinned: false,
    };
    const judge = (receipt, evidence) => anchor.judge(receipt, evidence, trust);
    const judgeOne = async (receipt, evidence, _, notices) =>
      ({ report: await anchor.applyNotices(await judge(receipt, evidence), notices, judge) });
    const archive = await anchor.openArchive(new Blob([new Uint8Array(padding), Buffer.from(data, "base64")]));
    const { judged, others } = await anchor.judgeArchive(archive, new Map(), judgeOne, () => {});
    return {
      judged: judged.map(({ receipt, files, alone, outcome }) =>
        ({ receipt, files, alone: alone && inBoth(alone), exit_code: anchor.exitCode(outcome.report) })),
      others: others.map((each) => ({ ...each, words: inBoth(each.words), reason: each.reason && inBoth(each.reason) })),
    };
  },
  // What each of many bags that are evidence, in ZIP files, ends with by its receipt, and why.
  async evidence_bags({ bags }) {
    const found = [];
    for (const { bag: data, receipt, policy, block_hashes } of bags) {
      const trust = {
        policy: policy && anchor.parsePolicy(anchor.encodeUtf8(policy)), connect: null, blockHashes: block_hashes.map(bare),
        chainIds: [], acceptUnpinned: false,
      };
      try {
        const bag = await anchor.checkBag(await anchor.openZip(new Blob([Buffer.from(data, "base64")])));
        const given = Uint8Array.from(Buffer.from(receipt, "base64"));
        const check = (record) => anchor.checkRecordedFiles(record, bag.payload);
        const report = await anchor.judge(given, await anchor.digestManifest(bag), trust, check);
        const said = report.steps.filter(({ error }) => error).map(({ detail }) => detail.text);
        found.push([anchor.exitCode(report), `${said.join(" ")} manifest-sha256.txt`]);
      } catch (error) {
        if (error.code === undefined) {
          throw error;
        }
        found.push([error.code, error.reason.text]);
      }
    }
    return found;
  },
  // The lines about what each of many records states, in English and in Chinese.
  statements: ({ records }) => records.map((text) => anchor.listStatements(anchor.parseRecord(text)).map(inBoth)),
  // What each of many records says of the collection, and whether it is the record of a custody event.
  accounts: ({ records }) => records.map((text) => {
    const [clause, isComplete] = anchor.judgeAccount(anchor.parseCanonical(text, "it"));
    return [clause.text, isComplete];
  }),
  events: ({ records }) => records.map((text) => anchor.readEvent(text) !== null),
  hash({ data }) {
    const given = Uint8Array.from(Buffer.from(data, "base64"));
    const half = Math.floor(given.length / 3);
    const sm3 = new anchor.Sm3().update(given.subarray(0, half)).update(given.subarray(half)).digest();
    return { sm3, sha256: anchor.sha256(given), keccak256: anchor.keccak256(given) };
  },
  canonical({ data }) {
    return anchor.encodeCanonical(anchor.parseStrict(Uint8Array.from(Buffer.from(data, "base64")), "it", 1 << 20));
  },
};

function inBoth(text) {
  return ["en", "zh"].map((language) => anchor.inLanguage(text, language));
}

function prove(given) {
  const proof = {
    header: bytes(given.header), accountProof: given.account_proof.map(bytes),
    storageProof: given.storage_proof.map(bytes), operatorProof: (given.operator_proof ?? []).map(bytes),
  };
  const [registry, log] = [bare(given.registry), bare(given.log)];
  const storage = anchor.checkAccount(proof, bare(given.block_hash), registry, bare(given.code_hash));
  const header = anchor.parseHeader(proof.header);
  const held = anchor.checkAnchor(proof, storage, header, registry, log, given.root);
  return { proof, storage, registry, log, header, held };
}

function pack({ size, sequence, blockNumber, timestamp, operatorId }) {
  const parts = [[size, 0], [sequence, 48], [blockNumber, 88], [timestamp, 136], [operatorId, 184]];
  const word = parts.reduce((sum, [value, at]) => sum | (BigInt(value) << BigInt(at)), 0n);
  return word.toString(16).padStart(64, "0");
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { answer: await ASKED[request.ask](request) };
  } catch (error) {
    // What has no code is a bug of the page: the tests get its stack.
    answer = error.code === undefined
      ? { bug: error.stack }
      : { code: error.code, message: error.message, chinese: inBoth(error.reason)[1] };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
