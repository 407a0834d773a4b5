/* SHA-256 over many short messages.  Rows have one length; each is hashed after a prefix byte.
 *
 * Plain C without Python, so that it can be tested alone (scripts/sanitize). */
#ifndef ANCHOR_SHA256_ROWS_H
#define ANCHOR_SHA256_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_MAX_LANES 8

struct sha256_implementation {
    const char *name;
    size_t lanes; /* how many rows `hash` takes at once */
    int (*usable)(void);
    void (*hash)(uint8_t prefix, const uint8_t *const *rows, size_t width, uint8_t *const *digests);
    /* the same for padded messages of `count` blocks of 64 bytes each */
    void (*hash_blocks)(const uint8_t *const *messages, size_t count, uint8_t *const *digests);
};

/* What was compiled in, best first; the last has no name.  Call only what is `usable` here. */
extern const struct sha256_implementation sha256_implementations[];

/* Fill the tables.  Call it before anything else here, on one thread; again, it does nothing. */
void sha256_prepare(void);

/* Write SHA-256(prefix ‖ row) for each of `count` rows of `width` bytes, back to back, into
 * `digests`, which holds count * SHA256_SIZE bytes and does not overlap `rows`. */
void sha256_rows(const struct sha256_implementation *implementation, uint8_t prefix,
                 const uint8_t *rows, size_t count, size_t width, uint8_t *digests);

/* Messages of different lengths, which are hashed together when there is one in each lane. */
#define SHA256_MAX_WAITING 16

struct sha256_queue {
    const struct sha256_implementation *implementation;
    struct sha256_lanes {
        size_t count;
        const uint8_t *messages[SHA256_MAX_LANES];
        uint8_t *digests[SHA256_MAX_LANES];
    } waiting[SHA256_MAX_WAITING]; /* by number of blocks */
};

/* The length of a padded message. */
#define SHA256_PADDED(size) (((size) + 9 + 63) / 64 * 64)

/* Pad the message and hash it into `digest` at the latest when the queue is flushed, until when
 * both must stay.  `message` has room for SHA256_PADDED(size) bytes. */
void sha256_queue_add(struct sha256_queue *queue, uint8_t *message, size_t size, uint8_t *digest);
void sha256_queue_flush(struct sha256_queue *queue);

#endif
