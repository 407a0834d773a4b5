// Times the JavaScript Merkle trees for scripts/bench: node time_trees.js LEAVES
// Prints {"name": leaves per second, …}; the leaves are SHA-256 hashes, like ours.
"use strict";
const { createHash } = require("node:crypto");
const { SimpleMerkleTree, StandardMerkleTree } = require("@openzeppelin/merkle-tree");
const { MerkleTree } = require("merkletreejs");

const count = Number(process.argv[2]);
const sha256 = (data) => createHash("sha256").update(data).digest();
const leaves = Array.from({ length: count }, (_, at) => {
  const data = Buffer.alloc(8);
  data.writeUInt32BE(at, 4);
  return sha256(data);
});
const hex = leaves.map((leaf) => "0x" + leaf.toString("hex"));

function time(build) {
  const start = process.hrtime.bigint();
  build();
  return count / (Number(process.hrtime.bigint() - start) / 1e9);
}

const rates = {
  "merkletreejs (sha256)": time(() => new MerkleTree(leaves, sha256).getRoot()),
  "OpenZeppelin SimpleMerkleTree": time(() => SimpleMerkleTree.of(hex).root),
  "OpenZeppelin StandardMerkleTree": time(
    () => StandardMerkleTree.of(hex.map((leaf) => [leaf]), ["bytes32"]).root,
  ),
};
if (process.argv[3] === "proofs") {
  const tree = SimpleMerkleTree.of(hex);
  rates["OpenZeppelin, all proofs"] = time(() => {
    for (let at = 0; at < count; at++) tree.getProof(at);
  });
}
console.log(JSON.stringify(rates));
