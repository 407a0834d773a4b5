// Times the JavaScript Merkle trees for scripts/bench: node time_trees.js LEAVES build|proofs
// Prints {"name": seconds, …}: for the root, or for the proof of every leaf.  The leaves are SHA-256
// hashes, like ours.
"use strict";
const { createHash } = require("node:crypto");
const { SimpleMerkleTree, StandardMerkleTree } = require("@openzeppelin/merkle-tree");
const { MerkleTree } = require("merkletreejs");

const sha256 = (data) => createHash("sha256").update(data).digest();

function makeLeaves(count) {
  return Array.from({ length: count }, (_, at) => {
    const data = Buffer.alloc(8);
    data.writeUInt32BE(at, 4);
    return sha256(data);
  });
}

const toHex = (leaf) => "0x" + leaf.toString("hex");
const trees = {
  "merkletreejs (sha256)": {
    prepare: (leaves) => leaves,
    build: (leaves) => new MerkleTree(leaves, sha256),
    root: (tree) => tree.getRoot(),
    prove: (tree, leaf, at) => tree.getProof(leaf, at),
  },
  "OpenZeppelin SimpleMerkleTree": {
    prepare: (leaves) => leaves.map(toHex),
    build: (leaves) => SimpleMerkleTree.of(leaves),
    root: (tree) => tree.root,
    prove: (tree, _, at) => tree.getProof(at),
  },
  "OpenZeppelin StandardMerkleTree": {
    prepare: (leaves) => leaves.map((leaf) => [toHex(leaf)]),
    build: (leaves) => StandardMerkleTree.of(leaves, ["bytes32"]),
    root: (tree) => tree.root,
    prove: (tree, _, at) => tree.getProof(at),
  },
};

function time(action) {
  const start = process.hrtime.bigint();
  action();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

function measure(kind, count, what) {
  const leaves = kind.prepare(makeLeaves(count));
  if (what === "build") return time(() => kind.root(kind.build(leaves)));
  const tree = kind.build(leaves);
  return time(() => leaves.forEach((leaf, at) => kind.prove(tree, leaf, at)));
}

const [count, what] = [Number(process.argv[2]), process.argv[3]];
const seconds = {};
for (const [name, kind] of Object.entries(trees)) {
  measure(kind, 2000, what); // so that the compiler has been at work before
  seconds[name] = measure(kind, count, what);
}
console.log(JSON.stringify(seconds));
