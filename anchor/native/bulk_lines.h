/* Plain lines of a bulk submission, and the endings of names (anchor/service/bulk_lines.py).
 *
 * Plain C without Python, so that it can be tested alone (scripts/sanitize). */
#ifndef ANCHOR_BULK_LINES_H
#define ANCHOR_BULK_LINES_H

#include "columns.h"

/* The longest name that a plain line has, in bytes. */
#define PLAIN_NAME 1000

struct plain_line {
    uint8_t sha256[SHA256_SIZE];
    struct slice name; /* `at` is NULL: it has none */
};

/* Read the line at the beginning of `lines` if it is plain: a SHA-256, and a name in printable ASCII
 * without escapes.  Return its length with the line feed; 0 if it is not plain, longer than
 * `max_line`, or not whole. */
size_t plain_line_read(struct slice lines, size_t max_line, struct plain_line *line);

/* Return the part of a name that decides its media type: the last two suffixes, and one character
 * before them. */
struct slice find_ending(struct slice name);

/* The codes of endings that were looked up last. */
#define ENDING_SLOTS 64

struct ending_slot {
    struct slice ending;
    int code; /* -1: the slot is empty */
};

struct endings {
    struct ending_slot slots[ENDING_SLOTS];
};

void endings_clear(struct endings *endings);

/* Return the slot of an ending; its code is -1 if it has to be looked up. */
struct ending_slot *endings_find(struct endings *endings, struct slice ending);

/* Write the answer to each of `count` new pieces, of which the first one was in line `number`; return
 * where it ends.  `identities` has 32 bytes a piece; `tail` ends each answer.  `out` has room for
 * ANSWER_ROOM bytes and the tail for each. */
#define ANSWER_ROOM 140
uint8_t *write_accepted(uint8_t *out, uint64_t number, const uint8_t *identities, size_t count,
                        struct slice tail);

#endif
