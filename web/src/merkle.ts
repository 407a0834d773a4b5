/** RFC 9162 section 2.1 Merkle trees over SHA-256: a leaf's way to the root (anchor/log/merkle.py). */

import { concat, fromHex, type Hex, sha256 } from "./bytes.ts";
import { mismatch } from "./errors.ts";
import { message } from "./messages.ts";

export const MAX_PATH = 48;

export const hashLeaf = (record: Uint8Array): Hex => sha256(concat(Uint8Array.of(0), record));
export const hashNode = (left: Hex, right: Hex): Hex => sha256(fromHex("01" + left + right));

/**
 * Say for each of a path's siblings whether it is the left one.
 *
 * Sizes go up to 2^48 - 1, beyond what bit operators hold: hence no bit operators.
 */
export function pathSides(index: number, size: number, length: number): boolean[] {
  const sides = sidesOf(index, size);
  if (sides.length !== length) {
    const expected = sides.length;
    throw mismatch(message("path-length-wrong", { actual: length, index, size, expected }));
  }
  return sides;
}

/** Say for each sibling of the one path that fits index and size whether it is the left one. */
export function sidesOf(index: number, size: number): boolean[] {
  if (!(index >= 0 && index < size)) {
    throw mismatch(message("leaf-index-outside-tree", { index, size }));
  }
  const sides: boolean[] = [];
  for (let node = index, last = size - 1; last > 0; node = half(node), last = half(last)) {
    if (node % 2 === 1) {
      sides.push(true);
    } else if (node < last) {
      sides.push(false);
    } // else: the right edge is ragged here, the node is carried up unchanged.
  }
  return sides;
}

/** Return the hash after each step of `path`, or the first `steps`, starting with the leaf itself. */
export function foldPath(
  leaf: Hex, index: number, size: number, path: readonly Hex[], steps = path.length,
): Hex[] {
  const hashes = [leaf];
  pathSides(index, size, path.length).slice(0, steps).forEach((siblingIsLeft, at) => {
    const [node, sibling] = [hashes[at]!, path[at]!];
    hashes.push(siblingIsLeft ? hashNode(sibling, node) : hashNode(node, sibling));
  });
  return hashes;
}

/** Check that `leaf` is at `index` under `root`. */
export function verifyInclusion(
  leaf: Hex, index: number, size: number, path: readonly Hex[], root: Hex,
): void {
  if ([leaf, ...path].some((hash) => hash.length !== 64)) {
    throw mismatch(message("proof-hash-length"));
  }
  if (foldPath(leaf, index, size, path).at(-1) !== root) {
    throw mismatch(message("path-root-differs"));
  }
}

export const half = (value: number) => Math.floor(value / 2);
