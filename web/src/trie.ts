/**
 * Merkle-Patricia tries (Yellow Paper, appendix D): what one holds under a key, by a proof.
 *
 * Keys are Keccak hashes, 32 bytes long.  There is one proof for a key in a trie, and no other is
 * accepted (anchor/ethereum/trie.py).
 */

import { fromHex, type Hex, keccak256, toHex } from "./bytes.ts";
import { malformed, mismatch } from "./errors.ts";
import { message, type Message } from "./messages.ts";
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
    throw malformed(message("proof-too-many-nodes", { count: nodes.length, limit: MAX_NODES }));
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
    const subject = message("proof-node-number", { number: this.used });
    const node = this.nodes[this.used];
    if (node === undefined) {
      throw malformed(message("proof-node-missing", { subject }));
    }
    if (node.length > MAX_NODE_BYTES) {
      const limit = MAX_NODE_BYTES;
      throw malformed(message("proof-node-too-long", { subject, size: node.length, limit }));
    }
    const found = keccak256(node);
    if (found !== expected) {
      throw mismatch(this.used
        ? message("proof-node-hash-differs", { subject, actual: found, number: this.used - 1, expected })
        : message("proof-root-hash-differs", { subject, actual: found, expected }));
    }
    // The root is hashed whatever its length.
    if (node.length < HASH_BYTES && this.used) {
      throw malformed(message("proof-node-not-embedded", { subject, size: node.length }));
    }
    this.used += 1;
    return decodeRlp(node, subject, MAX_NODE_BYTES);
  }

  finish(): void {
    if (this.used < this.nodes.length) {
      throw malformed(
        message("proof-nodes-left-over", { count: this.nodes.length, used: this.used }),
      );
    }
  }

  /** Follow the key's path to its end. */
  descend(node: RlpItem): Uint8Array | null {
    let isBelowExtension = false;
    for (;;) {
      if (node instanceof Uint8Array || (node.length !== 2 && node.length !== 17)) {
        throw this.malformed(message("trie-node-of-no-kind"));
      }
      let child: RlpItem;
      if (node.length === 17) {
        child = this.passBranch(node);
      } else if (isBelowExtension) {
        throw this.malformed(message("trie-extension-without-branch"));
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
      throw this.malformed(message("trie-branch-too-deep"));
    }
    if (!isNothing(node[16]!)) {
      throw this.malformed(message("trie-branch-with-value"));
    }
    const children = node.slice(0, 16);
    children.forEach((child) => this.checkChild(child));
    if (children.filter((child) => !isNothing(child)).length < 2) {
      throw this.malformed(message("trie-branch-too-few-children"));
    }
    const digit = parseInt(this.path[0]!, 16);
    this.path = this.path.slice(1);
    return node[digit]!;
  }

  /** Return the child, or nothing where the key's path goes another way. */
  private passExtension(path: Hex, child: RlpItem): RlpItem {
    if (path === "") {
      throw this.malformed(message("trie-extension-empty"));
    }
    if (path.length >= this.path.length) {
      throw this.malformed(message("trie-extension-too-long"));
    }
    this.checkChild(child);
    if (isNothing(child)) {
      throw this.malformed(message("trie-extension-childless"));
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
      throw this.malformed(message("trie-leaf-key-wrong-length"));
    }
    if (!(value instanceof Uint8Array) || value.length === 0) {
      throw this.malformed(message("trie-leaf-without-value"));
    }
    return path === this.path ? value : null;
  }

  /** Refuse what is neither nothing, nor a hash, nor a node shorter than one. */
  private checkChild(child: RlpItem): void {
    if (child instanceof Uint8Array) {
      if (child.length !== 0 && child.length !== HASH_BYTES) {
        throw this.malformed(message("trie-child-not-hash", { size: child.length }));
      }
    } else if (encodedLength(child) >= HASH_BYTES) {
      throw this.malformed(message("trie-child-not-hashed"));
    }
  }

  /** Decode the hex prefix (appendix C): is it a leaf, and the path in hex. */
  private readPath(item: RlpItem): [boolean, Hex] {
    const digits = item instanceof Uint8Array ? toHex(item) : "";
    // The flags are 0 to 3; where the path is of even length, a zero fills the first byte.
    const flag = parseInt(digits[0] ?? "f", 16);
    if (flag > 3 || (flag % 2 === 0 && digits[1] !== "0")) {
      throw this.malformed(message("trie-path-not-hex-prefix"));
    }
    return [flag >= 2, digits.slice(flag % 2 ? 1 : 2)];
  }

  private malformed(reason: Message) {
    return malformed(message("trie-node-malformed", { number: this.used - 1, reason }));
  }
}

const isNothing = (item: RlpItem) => item instanceof Uint8Array && item.length === 0;
