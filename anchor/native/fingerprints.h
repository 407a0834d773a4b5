/* Rows of one width, back to back and sorted bytewise, and Bloom filters over the 32 bytes that each
 * begins with.
 *
 * Plain C without Python.  Rows that are not sorted give a useless result, but nothing is read or
 * written out of bounds. */
#ifndef ANCHOR_FINGERPRINTS_H
#define ANCHOR_FINGERPRINTS_H

#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_KEY 32
#define FINGERPRINT_NUMBER 6
#define FINGERPRINT_HASH 24
#define FINGERPRINT_FILTER_BLOCK 64

struct rows_part {
    const uint8_t *at, *end;
    uint64_t head; /* the next row's first eight bytes; set by rows_merge */
};

/* Write the `count` rows in order to `sorted`, which does not overlap them.  Return -1 if there is
 * no memory for it. */
int rows_sort(const uint8_t *rows, size_t count, size_t width, uint8_t *sorted);

/* Return how many of the sorted rows precede `bound`, of `bound_size` bytes; with `inclusive`, the
 * rows equal to it are among them.  The order is that of strings of bytes: a row that begins with
 * `bound` and is longer comes after it. */
size_t rows_before(const uint8_t *rows, size_t count, size_t width, const uint8_t *bound,
                   size_t bound_size, int inclusive);

/* Merge the sorted parts; of equal rows write one.  `merged` has room for all rows.  Return how many
 * rows were written.  `parts` is used up. */
size_t rows_merge(struct rows_part *parts, size_t count, size_t width, uint8_t *merged);

/* Write the sorted rows whose first `prefix` bytes are also those of a needle to `found`, at most
 * `room` of them, unless `found` is NULL.  Return how many there are. */
size_t rows_search(const uint8_t *needles, size_t needle_count, size_t needle_width,
                   const uint8_t *rows, size_t count, size_t width, size_t prefix, uint8_t *found,
                   size_t room);

/* Write each row followed by its number, from `first` on, big-endian. */
void rows_number(const uint8_t *rows, size_t count, size_t width, uint64_t first,
                 uint8_t *numbered);

/* Write FINGERPRINT_HASH bytes for the key of each row: what filters need of it. */
void filter_hash(const uint8_t *rows, size_t count, size_t width, uint64_t seed, uint8_t *hashes);

/* Add hashed keys to a filter of `blocks` blocks, at most UINT32_MAX. */
void filter_add(uint8_t *filter, size_t blocks, const uint8_t *hashes, size_t count);

/* Write the rows whose hashed key the filter may hold to `selected`, which has room for
 * all; return how many these are. */
size_t filter_select(const uint8_t *filter, size_t blocks, const uint8_t *hashes,
                     const uint8_t *rows, size_t count, size_t width, uint8_t *selected);

#endif
