#include "columns.h"

#include <stdlib.h>
#include <string.h>

#define HALF (SHA256_SIZE / 2)
#define HEX (2 * SHA256_SIZE)
#define TIME_SIZE 24 /* 2026-01-02T03:04:05.678Z */
#define DAY 86400000 /* ms */

#define SHA256_NAME "sha256:"
#define SM3_NAME "sm3:"

static const char DIGITS[] = "0123456789abcdef";

/* ---- bytes and texts ------------------------------------------------------------------------- */

static uint8_t *put_bytes(uint8_t *out, const void *bytes, size_t size)
{
    if (size) /* `bytes` may be NULL */
        memcpy(out, bytes, size);
    return out + size;
}

#define PUT(out, literal) put_bytes(out, literal, sizeof literal - 1)

static uint8_t *put_hex(uint8_t *out, const uint8_t bytes[SHA256_SIZE])
{
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        *out++ = (uint8_t)DIGITS[bytes[i] >> 4];
        *out++ = (uint8_t)DIGITS[bytes[i] & 15];
    }
    return out;
}

/* A number in `width` bytes, big-endian. */
static uint8_t *put_number(uint8_t *out, uint64_t number, size_t width)
{
    while (width--)
        *out++ = (uint8_t)(number >> (8 * width));
    return out;
}

static uint8_t *put_decimal(uint8_t *out, uint64_t number, int digits)
{
    for (int i = digits; i--; number /= 10)
        out[i] = (uint8_t)('0' + number % 10);
    return out + digits;
}

static int64_t read_int64(const uint8_t *p)
{
    uint64_t number = 0;

    for (int i = 8; i--;)
        number = number << 8 | p[i];
    return (int64_t)number;
}

/* Return the length of the character at `p` in UTF-8, up to `end`; 0 if there is none. */
static size_t measure_character(const uint8_t *p, const uint8_t *end)
{
    size_t size = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;

    if (size == 0 || (size_t)(end - p) < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || /* overlong, surrogate */
        (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return size;
}

/* Return the letter of the two-character escape of `byte`; 0 if it has none. */
static uint8_t find_short_escape(uint8_t byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return byte;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\f':
        return 'f';
    case '\b':
        return 'b';
    default:
        return 0;
    }
}

/* Return the length that a name has in a record; 0 if no record can have it. */
static size_t measure_name(struct slice name)
{
    const uint8_t *p = name.at, *end;
    size_t characters = 0, size = name.size;

    if (name.size == 0 || name.size > 4 * RECORD_MAX_NAME)
        return 0;
    for (end = p + name.size; p < end; characters++) {
        size_t length = measure_character(p, end);
        if (length == 0)
            return 0;
        if (*p < ' ' || *p == '"' || *p == '\\')
            size += find_short_escape(*p) ? 1 : 5;
        p += length;
    }
    return characters > RECORD_MAX_NAME ? 0 : size;
}

/* Write a name as in a record, where it has `size` bytes. */
static uint8_t *put_name(uint8_t *out, struct slice name, size_t size)
{
    if (size == name.size)
        return put_bytes(out, name.at, size);
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.at[i], letter = find_short_escape(byte);
        if (letter) {
            *out++ = '\\';
            *out++ = letter;
        } else if (byte < ' ') {
            out = PUT(out, "\\u00");
            *out++ = (uint8_t)DIGITS[byte >> 4];
            *out++ = (uint8_t)DIGITS[byte & 15];
        } else {
            *out++ = byte;
        }
    }
    return out;
}

/* Write a time in ms since 1970 as format_time of anchor/base/system/clock.py does; nothing outside of
 * the years 1 to 9999. */
static uint8_t *put_time(uint8_t *out, int64_t ms)
{
    const int64_t first = INT64_C(-62135596800000), end = INT64_C(253402300800000);
    uint64_t since, in_day, day, era, year_of_era, day_of_year, month;

    if (ms < first || ms >= end)
        return out;
    /* Days since 1 March of the year 0, in eras of 400 years; a year begins in March. */
    since = (uint64_t)(ms - first) + (uint64_t)306 * DAY;
    in_day = since % DAY;
    day = since / DAY;
    era = day / 146097;
    day %= 146097;
    year_of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * day_of_year + 2) / 153;
    out = put_decimal(out, era * 400 + year_of_era + (month >= 10), 4);
    out = PUT(out, "-");
    out = put_decimal(out, month < 10 ? month + 3 : month - 9, 2);
    out = PUT(out, "-");
    out = put_decimal(out, day_of_year - (153 * month + 2) / 5 + 1, 2);
    out = PUT(out, "T");
    out = put_decimal(out, in_day / 3600000, 2);
    out = PUT(out, ":");
    out = put_decimal(out, in_day / 60000 % 60, 2);
    out = PUT(out, ":");
    out = put_decimal(out, in_day / 1000 % 60, 2);
    out = PUT(out, ".");
    out = put_decimal(out, in_day % 1000, 3);
    return PUT(out, "Z");
}

/* ---- columns --------------------------------------------------------------------------------- */

static int has_width(struct slice column, size_t pieces, size_t width)
{
    return column.at == NULL || column.size == pieces * width;
}

static int check_texts(struct texts *texts, size_t pieces)
{
    uint32_t end = (uint32_t)(2 * pieces); /* at most 1,024 times 2 and 65,535 */

    if (texts->column.at == NULL)
        return 0;
    if (texts->column.size < end)
        return -1;
    texts->ends[0] = end;
    for (size_t i = 0; i < pieces; i++) {
        const uint8_t *length = texts->column.at + 2 * i;
        end += (uint32_t)(length[0] | length[1] << 8);
        texts->ends[i + 1] = end;
    }
    return texts->column.size == end ? 0 : -1;
}

static struct slice find_text(const struct texts *texts, size_t at)
{
    const uint32_t *ends = texts->ends + at;

    if (texts->column.at == NULL)
        return (struct slice){NULL, 0};
    return (struct slice){texts->column.at + ends[0], ends[1] - ends[0]};
}

static int is_missing(unsigned flags, unsigned needing, struct slice column)
{
    return (flags & needing) && column.at == NULL;
}

int columns_check(struct columns *c)
{
    if (c->pieces < 1 || c->pieces > COLUMNS_MOST_PIECES || c->kind_count > COLUMNS_MOST_KINDS ||
        c->accepted_at.at == NULL || c->codes.at == NULL || c->leaves.at == NULL)
        return -1;
    if (!has_width(c->leaves, c->pieces, SHA256_SIZE) || !has_width(c->codes, c->pieces, 1) ||
        !has_width(c->times, c->pieces, 8) || !has_width(c->sha256, c->pieces, SHA256_SIZE) ||
        !has_width(c->sm3, c->pieces, SHA256_SIZE) || !has_width(c->starts, c->pieces, HALF) ||
        !has_width(c->tails, c->pieces, HALF) || !has_width(c->salts, c->pieces, SHA256_SIZE) ||
        !has_width(c->sizes, c->pieces, 8) || check_texts(&c->names, c->pieces) < 0 ||
        check_texts(&c->records, c->pieces) < 0)
        return -1;
    for (size_t at = 0; at < c->pieces; at++) {
        unsigned flags;
        if (c->codes.at[at] >= c->kind_count)
            return -1;
        flags = c->kinds[c->codes.at[at]].flags;
        if (is_missing(flags, KIND_MADE, c->salts) || is_missing(flags, KIND_HAS_SM3, c->sm3) ||
            is_missing(flags, KIND_HAS_SHA256, c->sha256) ||
            is_missing(flags, KIND_HAS_SIZE, c->sizes) ||
            is_missing(flags, KIND_HAS_START, c->starts) ||
            (!(flags & KIND_ERASED) && c->tails.at == NULL))
            return -1;
        if (!(flags & (KIND_ERASED | KIND_HAS_START | KIND_HAS_SHA256 | KIND_HAS_SM3)))
            return -1; /* there is no first half of its identity */
    }
    return 0;
}

static const struct kind *find_kind(const struct columns *c, size_t at)
{
    return &c->kinds[c->codes.at[at]];
}

static const uint8_t *find_sha256(const struct columns *c, size_t at)
{
    return find_kind(c, at)->flags & KIND_HAS_SHA256 ? c->sha256.at + at * SHA256_SIZE : NULL;
}

static const uint8_t *find_sm3(const struct columns *c, size_t at)
{
    return find_kind(c, at)->flags & KIND_HAS_SM3 ? c->sm3.at + at * SHA256_SIZE : NULL;
}

/* Return the name of a bare digest, put into `room`. */
static struct slice name_by_digest(const uint8_t *sha256, const uint8_t *sm3,
                                   uint8_t room[sizeof SHA256_NAME + HEX])
{
    uint8_t *end = room;

    if (sha256)
        end = put_hex(PUT(end, SHA256_NAME), sha256);
    else if (sm3)
        end = put_hex(PUT(end, SM3_NAME), sm3);
    return (struct slice){room, (size_t)(end - room)};
}

static struct slice find_name(const struct columns *c, size_t at,
                              uint8_t room[sizeof SHA256_NAME + HEX])
{
    if (find_kind(c, at)->flags & KIND_NAMED_BY_DIGEST)
        return name_by_digest(find_sha256(c, at), find_sm3(c, at), room);
    return find_text(&c->names, at);
}

/* ---- records --------------------------------------------------------------------------------- */

static size_t make_record(const struct columns *c, size_t at, uint8_t *const record)
{
    const struct kind *kind = find_kind(c, at);
    const uint8_t *sha256 = find_sha256(c, at), *sm3 = find_sm3(c, at);
    uint8_t room[sizeof SHA256_NAME + HEX], time_room[TIME_SIZE], *out = record;
    struct slice name = find_name(c, at, room), time = c->accepted_at;
    size_t name_size = measure_name(name);
    int64_t size = kind->flags & KIND_HAS_SIZE ? read_int64(c->sizes.at + 8 * at) : 0;

    if (kind->accepted_at.at) {
        time = kind->accepted_at;
    } else if (c->times.at) {
        time.size = (size_t)(put_time(time_room, read_int64(c->times.at + 8 * at)) - time_room);
        time.at = time_room;
    }
    if ((sha256 == NULL && sm3 == NULL) || name_size == 0 || kind->middle.at == NULL ||
        kind->joint.at == NULL || size < 0 || size > RECORD_MAX_INTEGER ||
        kind->middle.size > RECORD_MAX_BYTES || kind->joint.size > RECORD_MAX_BYTES ||
        time.size > RECORD_MAX_BYTES ||
        name_size + kind->middle.size + kind->joint.size + time.size > RECORD_MAX_BYTES)
        return 0;
    /* From here on, fewer than 513 bytes come to those four. */
    out = PUT(out, "{\"digests\":{");
    if (sha256) {
        out = put_hex(PUT(out, "\"sha256\":\""), sha256);
        out = PUT(out, "\"");
    }
    if (sha256 && sm3)
        out = PUT(out, ",");
    if (sm3) {
        out = put_hex(PUT(out, "\"sm3\":\""), sm3);
        out = PUT(out, "\"");
    }
    out = put_bytes(out, kind->middle.at, kind->middle.size);
    out = put_name(PUT(out, "\""), name, name_size);
    out = PUT(out, "\"");
    out = put_bytes(out, kind->joint.at, kind->joint.size);
    out = put_bytes(out, time.at, time.size);
    out = put_hex(PUT(out, "\",\"salt\":\""), c->salts.at + at * SHA256_SIZE);
    out = PUT(out, "\",\"schema\":\"evidence-record/1\"");
    if (kind->flags & KIND_HAS_SIZE) {
        int digits = 1;
        for (int64_t rest = size; rest >= 10; rest /= 10)
            digits++;
        out = put_decimal(PUT(out, ",\"size\":"), (uint64_t)size, digits);
    }
    out = PUT(out, "}");
    return out - record > RECORD_MAX_BYTES ? 0 : (size_t)(out - record);
}

size_t columns_write_record(const struct columns *c, size_t at, uint8_t *out)
{
    unsigned flags = find_kind(c, at)->flags;

    if (flags & KIND_KEPT) {
        struct slice kept = find_text(&c->records, at);
        put_bytes(out, kept.at, kept.size);
        return kept.size;
    }
    return flags & KIND_MADE ? make_record(c, at, out) : 0;
}

/* ---- hashes ---------------------------------------------------------------------------------- */

/* Messages, one after the other, that are hashed before there is no more room for another one. */
#define MESSAGE_ROOM SHA256_PADDED(RECORD_ROOM + 1)

struct hashing {
    struct sha256_queue queue;
    uint8_t *next, messages[4 * MESSAGE_ROOM];
};

static struct hashing *start_hashing(const struct sha256_implementation *implementation)
{
    struct hashing *hashing = malloc(sizeof *hashing);

    if (hashing) {
        memset(&hashing->queue, 0, sizeof hashing->queue);
        hashing->queue.implementation = implementation;
        hashing->next = hashing->messages;
    }
    return hashing;
}

/* Return where the next message of up to MESSAGE_ROOM padded bytes is written. */
static uint8_t *new_message(struct hashing *hashing)
{
    if ((size_t)(hashing->messages + sizeof hashing->messages - hashing->next) < MESSAGE_ROOM) {
        sha256_queue_flush(&hashing->queue);
        hashing->next = hashing->messages;
    }
    return hashing->next;
}

static void hash_message(struct hashing *hashing, size_t size, uint8_t *digest)
{
    sha256_queue_add(&hashing->queue, hashing->next, size, digest);
    hashing->next += SHA256_PADDED(size);
}

/* Hash a record into its leaf; return the length of the record, 0 if there is none. */
static size_t hash_record(const struct columns *c, size_t at, struct hashing *hashing,
                          uint8_t *leaf)
{
    uint8_t *message = new_message(hashing);
    size_t size = columns_write_record(c, at, message + 1);

    if (size) {
        message[0] = 0;
        hash_message(hashing, size + 1, leaf);
    }
    return size;
}

int columns_write_record_entries(const struct columns *c,
                                 const struct sha256_implementation *implementation, size_t key,
                                 uint8_t *entries, size_t *count)
{
    struct hashing *hashing = start_hashing(implementation);
    uint8_t *digests = malloc(c->pieces * SHA256_SIZE);
    uint8_t has_record[COLUMNS_MOST_PIECES];
    int failed = hashing == NULL || digests == NULL ? -1 : 0;

    *count = 0;
    for (size_t at = 0; !failed && at < c->pieces; at++) {
        size_t size = columns_write_record(c, at, new_message(hashing));
        has_record[at] = size != 0;
        if (size)
            hash_message(hashing, size, digests + at * SHA256_SIZE);
    }
    if (!failed)
        sha256_queue_flush(&hashing->queue);
    for (size_t at = 0; !failed && at < c->pieces; at++) {
        if (!has_record[at])
            continue;
        entries = put_bytes(entries, digests + at * SHA256_SIZE, key);
        entries = put_number(entries, c->first + at, ENTRY_NUMBER);
        ++*count;
    }
    free(digests);
    free(hashing);
    return failed;
}

int columns_find_false_leaves(const struct columns *c,
                              const struct sha256_implementation *implementation,
                              uint8_t *false_leaves)
{
    struct hashing *hashing = start_hashing(implementation);
    uint8_t *leaves = malloc(c->pieces * SHA256_SIZE);
    int failed = hashing == NULL || leaves == NULL ? -1 : 0;

    for (size_t at = 0; !failed && at < c->pieces; at++) {
        int has_record = (find_kind(c, at)->flags & (KIND_MADE | KIND_KEPT)) != 0;
        /* 2: it is seen when all are hashed */
        false_leaves[at] = 0;
        if (has_record)
            false_leaves[at] = hash_record(c, at, hashing, leaves + at * SHA256_SIZE) ? 2 : 1;
    }
    if (!failed)
        sha256_queue_flush(&hashing->queue);
    for (size_t at = 0; !failed && at < c->pieces; at++) {
        size_t start = at * SHA256_SIZE;
        if (false_leaves[at] == 2)
            false_leaves[at] = memcmp(leaves + start, c->leaves.at + start, SHA256_SIZE) != 0;
    }
    free(leaves);
    free(hashing);
    return failed;
}

/* ---- identities ------------------------------------------------------------------------------ */

static uint8_t *put_identity(uint8_t *out, const struct columns *c, size_t at)
{
    unsigned flags = find_kind(c, at)->flags;
    const uint8_t *start = flags & KIND_HAS_START    ? c->starts.at + at * HALF
                           : flags & KIND_HAS_SHA256 ? c->sha256.at + at * SHA256_SIZE
                                                     : c->sm3.at + at * SHA256_SIZE;

    out = put_bytes(out, start, HALF);
    return put_bytes(out, c->tails.at + at * HALF, HALF);
}

size_t columns_write_entries(const struct columns *c, uint8_t *entries)
{
    size_t count = 0;

    for (size_t at = 0; at < c->pieces; at++) {
        if (find_kind(c, at)->flags & KIND_ERASED)
            continue;
        entries = put_identity(entries, c, at);
        entries = put_number(entries, c->first + at, ENTRY_NUMBER);
        count++;
    }
    return count;
}

size_t columns_write_identities(const struct columns *c, int with_leaves, uint8_t *out)
{
    const uint8_t *start = out;

    for (size_t at = 0; at < c->pieces; at++) {
        if (find_kind(c, at)->flags & KIND_ERASED)
            continue;
        if (with_leaves)
            out = put_bytes(out, c->leaves.at + at * SHA256_SIZE, SHA256_SIZE);
        out = put_identity(out, c, at);
    }
    return (size_t)(out - start);
}

/* Hash what distinguishes a piece: source, digests and `unique`, each after its length. */
static int hash_distinction(const struct columns *c, size_t at, struct slice unique,
                            struct hashing *hashing, uint8_t *digest)
{
    const struct kind *kind = find_kind(c, at);
    const uint8_t *sha256 = find_sha256(c, at), *sm3 = find_sm3(c, at);
    uint8_t room[sizeof SHA256_NAME + HEX], *message = new_message(hashing), *out = message;
    struct slice name = find_name(c, at, room);

    if (kind->prefix.at == NULL || kind->prefix.size > RECORD_MAX_BYTES ||
        unique.size > RECORD_MAX_BYTES ||
        kind->prefix.size + name.size + unique.size > RECORD_MAX_BYTES)
        return -1;
    out = put_number(out, kind->prefix.size + name.size, 8);
    out = put_bytes(out, kind->prefix.at, kind->prefix.size);
    out = put_bytes(out, name.at, name.size);
    out = put_number(out, sha256 ? SHA256_SIZE : 0, 8);
    out = put_bytes(out, sha256, sha256 ? SHA256_SIZE : 0);
    out = put_number(out, sm3 ? SHA256_SIZE : 0, 8);
    out = put_bytes(out, sm3, sm3 ? SHA256_SIZE : 0);
    out = put_number(out, unique.size, 8);
    out = put_bytes(out, unique.at, unique.size);
    hash_message(hashing, (size_t)(out - message), digest);
    return 0;
}

size_t columns_complete(const struct columns *c, const struct sha256_implementation *implementation,
                        struct slice unique, uint8_t *leaves, uint8_t *tails)
{
    struct hashing *hashing = start_hashing(implementation);
    uint8_t *digests = malloc(c->pieces * SHA256_SIZE);
    size_t total = 0;
    int failed = hashing == NULL || digests == NULL;

    for (size_t at = 0; !failed && at < c->pieces; at++) {
        size_t start = at * SHA256_SIZE;
        size_t size = hash_record(c, at, hashing, leaves + start);
        total += size;
        failed = size == 0 || hash_distinction(c, at, unique, hashing, digests + start) < 0;
    }
    if (hashing)
        sha256_queue_flush(&hashing->queue);
    for (size_t at = 0; !failed && at < c->pieces; at++)
        memcpy(tails + at * HALF, digests + at * SHA256_SIZE, HALF);
    free(digests);
    free(hashing);
    return failed ? 0 : total;
}

/* ---- taking records apart -------------------------------------------------------------------- */

/* What of a record is still to be read.  A function returns 0 if it does not begin as it must. */
struct rest {
    const uint8_t *at, *end;
};

static int skip_bytes(struct rest *rest, const void *bytes, size_t size)
{
    if ((size_t)(rest->end - rest->at) < size || memcmp(rest->at, bytes, size) != 0)
        return 0;
    rest->at += size;
    return 1;
}

#define SKIP(rest, literal) skip_bytes(rest, literal, sizeof literal - 1)

static int skip_hex(struct rest *rest, const uint8_t bytes[SHA256_SIZE])
{
    uint8_t expected[HEX];

    put_hex(expected, bytes);
    return skip_bytes(rest, expected, HEX);
}

/* Return the value of a digit in lower case; -1 if it is none. */
static int read_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static int read_hex(struct rest *rest, uint8_t bytes[SHA256_SIZE])
{
    if (rest->end - rest->at < HEX)
        return 0;
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        int high = read_digit(*rest->at++), low = read_digit(*rest->at++);
        if (high < 0 || low < 0)
            return 0;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 1;
}

/* Skip a text up to its closing quotation mark. */
static int skip_text(struct rest *rest)
{
    while (rest->at < rest->end && *rest->at != '"')
        rest->at += *rest->at == '\\' && rest->end - rest->at > 1 ? 2 : 1;
    return SKIP(rest, "\"");
}

/* Skip what is left of an object that has no other in it, and no brace in a text. */
static int skip_object(struct rest *rest)
{
    while (rest->at < rest->end && *rest->at != '}')
        rest->at++;
    return SKIP(rest, "}");
}

/* Read an escape after its backslash. */
static int read_escape(struct rest *rest, uint8_t *byte)
{
    static const uint8_t SHORT[] = "\"\\\n\r\t\f\b";
    int high, low;

    for (size_t i = 0; i < sizeof SHORT - 1; i++) {
        uint8_t letter = find_short_escape(SHORT[i]);
        if (skip_bytes(rest, &letter, 1)) {
            *byte = SHORT[i];
            return 1;
        }
    }
    if (!SKIP(rest, "u00") || rest->end - rest->at < 2)
        return 0;
    high = read_digit(*rest->at++);
    low = read_digit(*rest->at++);
    if ((high != 0 && high != 1) || low < 0)
        return 0;
    *byte = (uint8_t)(high << 4 | low);
    return !find_short_escape(*byte);
}

/* Read a name after its opening quotation mark, up to the closing one. */
static int read_name(struct rest *rest, struct record_parts *parts)
{
    const uint8_t *start = rest->at;
    uint8_t *out = parts->unescaped;
    struct rest text = *rest;

    if (!skip_text(rest))
        return 0;
    text.end = rest->at - 1;
    parts->name = (struct slice){start, (size_t)(text.end - start)};
    if (parts->name.size && memchr(start, '\\', parts->name.size)) {
        while (text.at < text.end) {
            uint8_t byte = *text.at++;
            if (byte < ' ' || (byte == '\\' && !read_escape(&text, &byte)))
                return 0;
            if (out == parts->unescaped + sizeof parts->unescaped)
                return 0;
            *out++ = byte;
        }
        parts->name = (struct slice){parts->unescaped, (size_t)(out - parts->unescaped)};
    }
    /* As long as this, so that it has no character that needs an escape and lacks it. */
    return text.end > start && measure_name(parts->name) == (size_t)(text.end - start);
}

static int read_size(struct rest *rest, int64_t *size)
{
    const uint8_t *start = rest->at;

    *size = 0;
    while (rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9' && rest->at - start < 16)
        *size = *size * 10 + (*rest->at++ - '0');
    return rest->at > start && (*start != '0' || rest->at == start + 1) &&
           *size <= RECORD_MAX_INTEGER;
}

int record_split(struct slice record, const uint8_t *sha256, const uint8_t *sm3,
                 struct slice recorded_at, struct record_parts *parts)
{
    struct rest rest = {record.at, record.at + record.size};
    uint8_t room[sizeof SHA256_NAME + HEX];
    struct slice named;
    int good = record.size <= RECORD_MAX_BYTES && (sha256 || sm3) &&
               memchr(recorded_at.at, '"', recorded_at.size) == NULL;

    good = good && SKIP(&rest, "{\"digests\":{");
    if (good && sha256)
        good = SKIP(&rest, "\"sha256\":\"") && skip_hex(&rest, sha256) && SKIP(&rest, "\"");
    if (good && sha256 && sm3)
        good = SKIP(&rest, ",");
    if (good && sm3)
        good = SKIP(&rest, "\"sm3\":\"") && skip_hex(&rest, sm3) && SKIP(&rest, "\"");
    parts->middle.at = rest.at;
    good = good && SKIP(&rest, "},");
    if (good && SKIP(&rest, "\"log\":\""))
        good = skip_text(&rest) && SKIP(&rest, ",");
    if (good && SKIP(&rest, "\"media_type\":\""))
        good = skip_text(&rest) && SKIP(&rest, ",");
    good = good && SKIP(&rest, "\"name\":");
    parts->middle.size = (size_t)(rest.at - parts->middle.at);
    good = good && SKIP(&rest, "\"") && read_name(&rest, parts);
    parts->joint.at = rest.at;
    if (good && SKIP(&rest, ",\"not_before\":{"))
        good = skip_object(&rest);
    good = good && SKIP(&rest, ",\"recorded_at\":\"");
    parts->joint.size = (size_t)(rest.at - parts->joint.at);
    good = good && skip_bytes(&rest, recorded_at.at, recorded_at.size) &&
           SKIP(&rest, "\",\"salt\":\"") && read_hex(&rest, parts->salt) &&
           SKIP(&rest, "\",\"schema\":\"evidence-record/1\"");
    parts->size = -1;
    if (good && SKIP(&rest, ",\"size\":"))
        good = read_size(&rest, &parts->size);
    if (!good || !SKIP(&rest, "}") || rest.at != rest.end)
        return -1;
    named = name_by_digest(sha256, sm3, room);
    parts->is_named_by_digest = named.size == parts->name.size &&
                                memcmp(named.at, parts->name.at, named.size) == 0;
    return 0;
}
