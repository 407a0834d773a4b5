/**
 * Merkle-Patricia tries (Yellow Paper, appendix D): what one holds under a key, by a proof.
 *
 * Keys are Keccak hashes, 32 bytes long.  There is one proof for a key in a trie, and no other is
 * accepted (anchor/ethereum/trie.py).
 */

import { count, fromHex, type Hex, keccak256, toHex } from "./bytes.ts";
import { malformed, mismatch } from "./errors.ts";
import { decodeRlp, encodedLength, type RlpItem } from "./rlp.ts";

const EMPTY_TRIE_ROOT = keccak256(fromHex("80"));
// A branch at each digit of the key, and a leaf below the last one.
export const MAX_NODES = 65;
// A branch of sixteen hashes.
export const MAX_NODE_BYTES = 532;
// What is shorter than a hash stands in its parent, as it is.
const HASH_BYTES = 32;

/** Return the value under the hashed `key`; null where the trie provably has none. */
export function verifyTrieProof(root: Hex, key: Hex, nodes: readonly Uint8Array[]): Uint8Array | null {
  if (nodes.length > MAX_NODES) {
    throw malformed(`the proof has ${nodes.length} nodes; at most ${MAX_NODES} are possible`);
  }
  const walk = new Walk(key, nodes);
  const value = root === EMPTY_TRIE_ROOT ? null : walk.descend(walk.take(root));
  walk.finish();
  return value;
}

/** One way from the root down, along the key's hex digits and through the list of nodes. */
class Walk {
  private used = 0;

  constructor(
    private path: Hex,
    private readonly nodes: readonly Uint8Array[],
  ) {}

  /** Decode the next node of the list, which must have the `expected` hash. */
  take(expected: Hex): RlpItem {
    const what = `node ${this.used} of the proof`;
    const node = this.nodes[this.used];
    if (node === undefined) {
      throw malformed(`${what} is missing: the key's path does not end before it`);
    }
    if (node.length > MAX_NODE_BYTES) {
      throw malformed(`${what} has ${count(node.length)} bytes; ${MAX_NODE_BYTES} are possible`);
    }
    if (keccak256(node) !== expected) {
      const above = this.used ? `node ${this.used - 1} names` : "the root is";
      throw mismatch(`${what} has hash 0x${keccak256(node)}; ${above} 0x${expected}`);
    }
    // The root is hashed whatever its length.
    if (node.length < HASH_BYTES && this.used) {
      throw malformed(`${what} has ${node.length} bytes, and belongs into its parent`);
    }
    this.used += 1;
    return decodeRlp(node, what, MAX_NODE_BYTES);
  }

  finish(): void {
    if (this.used < this.nodes.length) {
      throw malformed(
        `the proof has ${this.nodes.length} nodes; the key's path ends after ${this.used}`,
      );
    }
  }

  /** Follow the key's path to its end. */
  descend(node: RlpItem): Uint8Array | null {
    let isBelowExtension = false;
    for (;;) {
      if (node instanceof Uint8Array || (node.length !== 2 && node.length !== 17)) {
        throw this.malformed("is neither a branch, an extension nor a leaf");
      }
      let child: RlpItem;
      if (node.length === 17) {
        child = this.passBranch(node);
      } else if (isBelowExtension) {
        throw this.malformed("is no branch, and stands below an extension");
      } else {
        const [isLeaf, path] = this.readPath(node[0]!);
        if (isLeaf) {
          return this.endAtLeaf(path, node[1]!);
        }
        child = this.passExtension(path, node[1]!);
      }
      if (isNothing(child)) {
        return null;
      }
      isBelowExtension = node.length === 2;
      node = child instanceof Uint8Array ? this.take(toHex(child)) : child;
    }
  }

  /** Return the child that the key's next digit chooses. */
  private passBranch(node: RlpItem[]): RlpItem {
    if (this.path === "") {
      throw this.malformed("is a branch below the end of every key");
    }
    if (!isNothing(node[16]!)) {
      throw this.malformed("is a branch with a value, whose key would be too short");
    }
    const children = node.slice(0, 16);
    children.forEach((child) => this.checkChild(child));
    if (children.filter((child) => !isNothing(child)).length < 2) {
      throw this.malformed("is a branch with fewer than two children");
    }
    const digit = parseInt(this.path[0]!, 16);
    this.path = this.path.slice(1);
    return node[digit]!;
  }

  /** Return the child, or nothing where the key's path goes another way. */
  private passExtension(path: Hex, child: RlpItem): RlpItem {
    if (path === "") {
      throw this.malformed("is an extension of nothing");
    }
    if (path.length >= this.path.length) {
      throw this.malformed("is an extension to the end of every key");
    }
    this.checkChild(child);
    if (isNothing(child)) {
      throw this.malformed("is an extension without a child");
    }
    if (!this.path.startsWith(path)) {
      return new Uint8Array();
    }
    this.path = this.path.slice(path.length);
    return child;
  }

  /** Return the value, or null where the leaf is another key's. */
  private endAtLeaf(path: Hex, value: RlpItem): Uint8Array | null {
    if (path.length !== this.path.length) {
      throw this.malformed("is a leaf whose key is not 32 bytes long");
    }
    if (!(value instanceof Uint8Array) || value.length === 0) {
      throw this.malformed("is a leaf without a value");
    }
    return path === this.path ? value : null;
  }

  /** Refuse what is neither nothing, nor a hash, nor a node shorter than one. */
  private checkChild(child: RlpItem): void {
    if (child instanceof Uint8Array) {
      if (child.length !== 0 && child.length !== HASH_BYTES) {
        throw this.malformed(`has a child of ${child.length} bytes, not a hash`);
      }
    } else if (encodedLength(child) >= HASH_BYTES) {
      throw this.malformed("holds a child that is long enough to be hashed");
    }
  }

  /** Decode the hex prefix (appendix C): is it a leaf, and the path in hex. */
  private readPath(item: RlpItem): [boolean, Hex] {
    const digits = item instanceof Uint8Array ? toHex(item) : "";
    // The flags are 0 to 3; where the path is of even length, a zero fills the first byte.
    const flag = parseInt(digits[0] ?? "f", 16);
    if (flag > 3 || (flag % 2 === 0 && digits[1] !== "0")) {
      throw this.malformed("has a path that is not in hex-prefix encoding");
    }
    return [flag >= 2, digits.slice(flag % 2 ? 1 : 2)];
  }

  private malformed(complaint: string) {
    return malformed(`node ${this.used - 1} of the proof, or one within it, ${complaint}`);
  }
}

const isNothing = (item: RlpItem) => item instanceof Uint8Array && item.length === 0;
