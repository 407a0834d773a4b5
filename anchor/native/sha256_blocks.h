/* Rows and levels of Merkle trees in blocks that fit the cache, on several threads.
 *
 * Plain C without Python, so that it can be tested alone (scripts/sanitize).  No thread outlives a
 * call, so nothing is left to stop, and a fork copies nothing but the caller. */
#ifndef ANCHOR_SHA256_BLOCKS_H
#define ANCHOR_SHA256_BLOCKS_H

#include "sha256_rows.h"

/* A block of 2^12 leaves has 256 KiB with all nodes above them, which the second-level cache of any
 * processor in use holds.  Blocks of 2^10 to 2^15 take the same time within some hundredths. */
#define SHA256_BLOCK_HEIGHT 12
#define SHA256_MAX_BLOCK_HEIGHT 16

/* How to cut the work: blocks of up to 2^height rows, hashed by up to `threads` threads, of which
 * the caller is one.  If the system starts no more threads, fewer do the same. */
struct sha256_cut {
    unsigned height; /* 1 ... SHA256_MAX_BLOCK_HEIGHT */
    size_t threads;  /* at least 1 */
};

/* As sha256_rows, in blocks. */
void sha256_rows_cut(const struct sha256_implementation *implementation, struct sha256_cut cut,
                     uint8_t prefix, const uint8_t *rows, size_t count, size_t width,
                     uint8_t *digests);

/* Fill levels[0] ... levels[height - 1], the hashes of pairs (prefix 1) of the level below, the
 * first above the `count` hashes at `nodes`.  levels[i] holds count >> (i + 1) hashes. */
void sha256_levels(const struct sha256_implementation *implementation, struct sha256_cut cut,
                   const uint8_t *nodes, size_t count, uint8_t *const *levels, size_t height);

/* Write the roots of the complete subtrees of 2^height of the `count` hashes at `nodes`: the last
 * of the levels that sha256_levels fills, without the others.  `height` is 1 ... cut.height.
 * Returns -1 if there is no memory. */
int sha256_subtrees(const struct sha256_implementation *implementation, struct sha256_cut cut,
                    const uint8_t *nodes, size_t count, unsigned height, uint8_t *roots);

#endif
