/** Beacons: the hash of an earlier block, proven by the chain's own history (anchor/receipt/history_proof.py). */

import type { Hex } from "./bytes.ts";
import { mismatch, notTrusted } from "./errors.ts";
import { type Header, parseHeader } from "./header.ts";
import { message } from "./messages.ts";
import type { NotBefore } from "./not_before.ts";
import { HISTORY } from "./release.ts";
import { type BeaconProof, checkWord, proveAccount } from "./state_proof.ts";

/** Return the header of the block that a record names, proven to be of the anchor's chain (EIP-2935). */
export function checkBeacon(
  beacon: BeaconProof, named: NotBefore, header: Header, chainId: number, anchoredAt: number,
): Header {
  if (named.chainId !== chainId) {
    throw mismatch(message("beacon-of-other-chain", { named: named.chainId, chain: chainId }));
  }
  const earlier = parseHeader(beacon.header);
  const [number, block, limit] = [earlier.number, header.number, HISTORY.window];
  if (number !== BigInt(named.number)) {
    throw mismatch(message("beacon-number-differs", { named: named.number, actual: number }));
  }
  if (earlier.hash !== named.hash) {
    throw mismatch(message("beacon-hash-differs", { number, named: named.hash, actual: earlier.hash }));
  }
  if (number >= block) {
    throw mismatch(message("beacon-not-earlier", { number, block }));
  }
  if (block - number > limit) {
    throw mismatch(message("beacon-too-old", { number, block, limit }));
  }
  const slot = (number % BigInt(limit)).toString(16).padStart(64, "0");
  const word = checkWord(message("proof-of-beacon"), proveHistory(beacon, header), slot, beacon.storageProof);
  if (word !== earlier.hash) {
    throw mismatch(message("beacon-hash-not-kept", { number, actual: word }));
  }
  if (earlier.timestamp > anchoredAt) {
    throw mismatch(message("beacon-later-than-anchor", { time: earlier.timestamp, anchored_at: anchoredAt }));
  }
  return earlier;
}

/** Return the storage root of the contract that keeps the hashes of earlier blocks. */
function proveHistory({ accountProof }: BeaconProof, { stateRoot, number: block }: Header): Hex {
  const account = proveAccount(message("proof-of-history-account"), stateRoot, HISTORY.contract, accountProof);
  if (account === null) {
    throw notTrusted(message("history-contract-missing", { block }));
  }
  const [storageRoot, actual] = account;
  if (actual !== HISTORY.code) {
    throw notTrusted(message("history-code-foreign", { block, actual }));
  }
  return storageRoot;
}
