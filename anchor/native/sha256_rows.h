/* SHA-256 over many short messages of one length: each is a prefix byte and a row of bytes.
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
};

/* What was compiled in, best first; the last has no name.  Call only what is `usable` here. */
extern const struct sha256_implementation sha256_implementations[];

/* Fill the tables.  Call it before anything else here, on one thread; again, it does nothing. */
void sha256_prepare(void);

/* Write SHA-256(prefix ‖ row) for each of `count` rows of `width` bytes, back to back, into
 * `digests`, which holds count * SHA256_SIZE bytes and does not overlap `rows`. */
void sha256_rows(const struct sha256_implementation *implementation, uint8_t prefix,
                 const uint8_t *rows, size_t count, size_t width, uint8_t *digests);

#endif
