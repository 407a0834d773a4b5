/* Records, leaves and identities of a run of evidence, from its columns (anchor/store/columns.py).
 *
 * Plain C without Python, so that it can be tested alone (scripts/sanitize).  Columns come from a
 * database, which somebody may have altered: columns_check decides what the others may read. */
#ifndef ANCHOR_COLUMNS_H
#define ANCHOR_COLUMNS_H

#include "sha256_rows.h"

#define COLUMNS_MOST_PIECES 1024
#define COLUMNS_MOST_KINDS 256

/* As in anchor/evidence/record.py. */
#define RECORD_MAX_BYTES 65535
#define RECORD_MAX_NAME 4096 /* characters */
#define RECORD_MAX_INTEGER (((int64_t)1 << 53) - 1)

/* Where a record is written, there is room for this many bytes. */
#define RECORD_ROOM (RECORD_MAX_BYTES + 513)

struct slice {
    const uint8_t *at; /* NULL: there is none */
    size_t size;
};

enum {
    KIND_MADE = 1,
    KIND_KEPT = 2,
    KIND_ERASED = 4,
    KIND_HAS_SHA256 = 8,
    KIND_HAS_SM3 = 16,
    KIND_HAS_SIZE = 32,
    KIND_HAS_START = 64,
    KIND_NAMED_BY_DIGEST = 128,
};

struct kind {
    unsigned flags;
    struct slice middle;      /* of a record: what is between its digests and its name */
    struct slice joint;       /* of a record: what is between its name and its time */
    struct slice accepted_at; /* if it is not in `times` */
    struct slice prefix;      /* of a source */
};

/* A column of texts: the lengths, two bytes each, and then the texts. */
struct texts {
    struct slice column;
    uint32_t ends[COLUMNS_MOST_PIECES + 1]; /* set by columns_check: where each text begins */
};

struct columns {
    uint64_t first;
    size_t pieces, kind_count;
    struct slice accepted_at, leaves, codes, times, sha256, sm3, starts, tails, salts, sizes;
    struct texts names, records;
    struct kind kinds[COLUMNS_MOST_KINDS];
};

/* Check the lengths of the columns, and that those are there which the kinds of pieces need.
 * Return -1 if not.  Call it before the others. */
int columns_check(struct columns *columns);

/* Write the record of a piece that is made or kept into `out`, which has RECORD_ROOM bytes; return
 * its length, 0 if the columns make no record. */
size_t columns_write_record(const struct columns *columns, size_t at, uint8_t *out);

/* Set false_leaves[at] to whether a piece's record does not hash to its leaf: 0 if it has none.
 * Return -1 if there is no memory. */
int columns_find_false_leaves(const struct columns *columns,
                              const struct sha256_implementation *implementation,
                              uint8_t *false_leaves);

/* An entry of the fingerprints: an identity and an index, big-endian. */
#define ENTRY_NUMBER 6
#define ENTRY_SIZE (SHA256_SIZE + ENTRY_NUMBER)

/* Write the entry of each piece that is not erased; return how many.  `entries` has room for an
 * entry of every piece. */
size_t columns_write_entries(const struct columns *columns, uint8_t *entries);

/* Write the first `key` bytes, up to 32, of the SHA-256 of each record, and its index; set `count`
 * to how many.  Return -1 if there is no memory.  `entries` has room for one of every piece. */
int columns_write_record_entries(const struct columns *columns,
                                 const struct sha256_implementation *implementation, size_t key,
                                 uint8_t *entries, size_t *count);

/* Write the identity of each piece that is not erased, after its leaf if `with_leaves`; return the
 * length.  `out` has room for two hashes of every piece. */
size_t columns_write_identities(const struct columns *columns, int with_leaves, uint8_t *out);

/* Compute the leaves of new pieces, and the second halves of their identities.  Return the length
 * of all records; 0 if a piece has none or no prefix, or there is no memory. */
size_t columns_complete(const struct columns *columns,
                        const struct sha256_implementation *implementation, struct slice unique,
                        uint8_t *leaves, uint8_t *tails);

/* The parts of a record that the columns have. */
struct record_parts {
    struct slice middle, name, joint;
    int is_named_by_digest;
    uint8_t salt[SHA256_SIZE];
    int64_t size;                           /* -1: none */
    uint8_t unescaped[4 * RECORD_MAX_NAME]; /* the name, if it has escapes */
};

/* Take a record apart.  Return -1 unless columns_write_record makes the same bytes of the parts,
 * these digests (NULL: none) and this time.  The caller checks that `middle` and `joint` are
 * canonical. */
int record_split(struct slice record, const uint8_t *sha256, const uint8_t *sm3,
                 struct slice recorded_at, struct record_parts *parts);

#endif
