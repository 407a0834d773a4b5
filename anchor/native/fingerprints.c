#include "fingerprints.h"

#include <stdlib.h>
#include <string.h>

#define HEAD 8

/* So many rows are sorted by insertion before the merging begins. */
#define SHORT_RUN 12

/* Bits that a key sets in each of two words of its block, and how many bits of a hash choose each. */
#define WORD_BITS 4
#define WORD_BITS_LOG 6

/* So many look-ups ahead, a filter's block is fetched into the cache. */
#define FILTER_AHEAD 24

struct element {
    uint64_t head;
    const uint8_t *row;
};

/* Return the row's first eight bytes as a number, which sorts as they do; zeros follow a short row. */
static inline uint64_t load_head(const uint8_t *row, size_t width)
{
    uint64_t head = 0;

    for (size_t i = 0; i < HEAD; i++)
        head = head << 8 | (i < width ? row[i] : 0);
    return head;
}

static inline int compare_tails(const uint8_t *a, const uint8_t *b, size_t width)
{
    return width > HEAD ? memcmp(a + HEAD, b + HEAD, width - HEAD) : 0;
}

static inline int is_less(const struct element *a, const struct element *b, size_t width)
{
    if (a->head != b->head)
        return a->head < b->head;
    return compare_tails(a->row, b->row, width) < 0;
}

static void sort_short(struct element *elements, size_t count, size_t width)
{
    for (size_t i = 1; i < count; i++) {
        struct element moved = elements[i];
        size_t at = i;
        for (; at && is_less(&moved, &elements[at - 1], width); at--)
            elements[at] = elements[at - 1];
        elements[at] = moved;
    }
}

static void merge_pair(const struct element *left, size_t left_count, const struct element *right,
                       size_t right_count, struct element *out, size_t width)
{
    const struct element *left_end = left + left_count, *right_end = right + right_count;

    while (left < left_end && right < right_end)
        *out++ = is_less(right, left, width) ? *right++ : *left++;
    memcpy(out, left, (size_t)(left_end - left) * sizeof *out);
    out += left_end - left;
    memcpy(out, right, (size_t)(right_end - right) * sizeof *out);
}

static int is_sorted(const uint8_t *rows, size_t count, size_t width)
{
    for (size_t i = 1; i < count; i++)
        if (memcmp(rows + (i - 1) * width, rows + i * width, width) > 0)
            return 0;
    return 1;
}

int rows_sort(const uint8_t *rows, size_t count, size_t width, uint8_t *sorted)
{
    struct element *elements, *from, *to;

    if (is_sorted(rows, count, width)) {
        if (count)
            memcpy(sorted, rows, count * width);
        return 0;
    }
    if (count > SIZE_MAX / sizeof *elements / 2)
        return -1;
    elements = malloc(2 * count * sizeof *elements);
    if (elements == NULL)
        return -1;
    from = elements;
    to = elements + count;
    for (size_t i = 0; i < count; i++) {
        from[i].row = rows + i * width;
        from[i].head = load_head(from[i].row, width);
    }
    for (size_t start = 0; start < count; start += SHORT_RUN)
        sort_short(from + start, count - start < SHORT_RUN ? count - start : SHORT_RUN, width);
    for (size_t run = SHORT_RUN; run < count; run *= 2) {
        struct element *merged = to;
        for (size_t start = 0; start < count;) {
            size_t left = count - start < run ? count - start : run;
            size_t right = count - start - left < run ? count - start - left : run;
            merge_pair(from + start, left, from + start + left, right, to + start, width);
            start += left + right;
        }
        to = from;
        from = merged;
        if (run > count / 2)
            break;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(sorted + i * width, from[i].row, width);
    free(elements);
    return 0;
}

size_t rows_before(const uint8_t *rows, size_t count, size_t width, const uint8_t *bound,
                   size_t bound_size, int inclusive)
{
    size_t low = 0, high = count;
    size_t common = bound_size < width ? bound_size : width;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = common ? memcmp(rows + middle * width, bound, common) : 0;
        if (order == 0)
            order = (width > bound_size) - (width < bound_size);
        if (order < 0 || (order == 0 && inclusive))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline int is_before(const struct rows_part *a, const struct rows_part *b, size_t width)
{
    if (a->head != b->head)
        return a->head < b->head;
    return compare_tails(a->at, b->at, width) < 0;
}

size_t rows_merge(struct rows_part *parts, size_t count, size_t width, uint8_t *merged)
{
    uint8_t *to = merged;
    size_t used = 0;

    for (size_t i = 0; i < count; i++)
        if (parts[i].at < parts[i].end) {
            parts[used] = parts[i];
            parts[used].head = load_head(parts[used].at, width);
            used++;
        }
    count = used;
    while (count) {
        struct rows_part *least = parts;
        for (size_t i = 1; i < count; i++)
            if (is_before(&parts[i], least, width))
                least = &parts[i];
        if (to == merged || memcmp(to - width, least->at, width) != 0) {
            memcpy(to, least->at, width);
            to += width;
        }
        least->at += width;
        if (least->at < least->end)
            least->head = load_head(least->at, width);
        else
            *least = parts[--count];
    }
    return (size_t)(to - merged) / width;
}

/* Return the first of the sorted rows from `low` on that is not before `key`, in steps that double:
 * the next one found is mostly near. */
static size_t skip_before(const uint8_t *rows, size_t count, size_t width, size_t low,
                          const uint8_t *key, size_t size)
{
    size_t step = 1, high;

    while (step <= count - low && memcmp(rows + (low + step - 1) * width, key, size) < 0) {
        low += step;
        step *= 2;
    }
    high = step <= count - low ? low + step - 1 : count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(rows + middle * width, key, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t rows_search(const uint8_t *needles, size_t needle_count, size_t needle_width,
                   const uint8_t *rows, size_t count, size_t width, size_t prefix, uint8_t *found,
                   size_t room)
{
    size_t needle = 0, row = 0, matches = 0;

    while (needle < needle_count && row < count) {
        const uint8_t *key = needles + needle * needle_width, *here = rows + row * width;
        int order = memcmp(key, here, prefix);
        if (order < 0) {
            needle = skip_before(needles, needle_count, needle_width, needle + 1, here, prefix);
        } else if (order > 0) {
            row = skip_before(rows, count, width, row + 1, key, prefix);
        } else {
            if (found && matches < room)
                memcpy(found + matches * width, here, width);
            matches++;
            row++;
        }
    }
    return matches;
}

void rows_number(const uint8_t *rows, size_t count, size_t width, uint64_t first,
                 uint8_t *numbered)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t number = first + i;
        memcpy(numbered, rows + i * width, width);
        numbered += width;
        for (int shift = 8 * (FINGERPRINT_NUMBER - 1); shift >= 0; shift -= 8)
            *numbered++ = (uint8_t)(number >> shift);
    }
}

static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t value;

    memcpy(&value, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

/* The finaliser of MurmurHash3, a bijection. */
static inline uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53u;
    return x ^ x >> 33;
}

static inline void store_le64(uint8_t *p, uint64_t value)
{
    for (int i = 0; i < 8; i++, value >>= 8)
        p[i] = (uint8_t)value;
}

/* Return a word with WORD_BITS bits set, or fewer if some are chosen twice. */
static inline uint64_t choose_bits(uint64_t hash)
{
    uint64_t word = 0;

    for (int bit = 0; bit < WORD_BITS; bit++, hash >>= WORD_BITS_LOG)
        word |= (uint64_t)1 << (hash & 63);
    return word;
}

/* From all of the key and a secret seed, because submitters choose some keys, and half of others.
 * A hash chooses the block and two of its eight words; what a filter must have in these follows. */
void filter_hash(const uint8_t *rows, size_t count, size_t width, uint64_t seed, uint8_t *hashes)
{
    for (size_t i = 0; i < count; i++, hashes += FINGERPRINT_HASH) {
        uint64_t hash = seed;
        for (size_t at = 0; at < FINGERPRINT_KEY; at += 8)
            hash = mix(hash ^ load_le64(rows + i * width + at));
        store_le64(hashes, hash);
        hash = mix(hash);
        store_le64(hashes + 8, choose_bits(hash));
        store_le64(hashes + 16, choose_bits(hash >> WORD_BITS * WORD_BITS_LOG));
    }
}

/* Return where a hash's block begins, and the offsets of its two different words in it. */
static inline size_t find_words(const uint8_t *hash, size_t blocks, size_t *first, size_t *second)
{
    uint64_t head = load_le64(hash);
    uint64_t word = head & 7;
    /* One of the seven others. */
    uint64_t step = 1 + (((head >> 3 & 0xffff) * 7) >> 16);

    *first = (size_t)word * 8;
    *second = (size_t)((word + step) & 7) * 8;
    return (size_t)((head >> 32) * blocks >> 32) * FINGERPRINT_FILTER_BLOCK;
}

void filter_add(uint8_t *filter, size_t blocks, const uint8_t *hashes, size_t count)
{
    size_t first, second;

    for (size_t i = 0; i < count; i++, hashes += FINGERPRINT_HASH) {
        uint8_t *block = filter + find_words(hashes, blocks, &first, &second);
        for (size_t at = 0; at < 8; at++) {
            block[first + at] |= hashes[8 + at];
            block[second + at] |= hashes[16 + at];
        }
    }
}

size_t filter_select(const uint8_t *filter, size_t blocks, const uint8_t *hashes,
                     const uint8_t *rows, size_t count, size_t width, uint8_t *selected)
{
    size_t number = 0, first, second;

    for (size_t i = 0; i < count; i++, hashes += FINGERPRINT_HASH) {
        if (i + FILTER_AHEAD < count) {
            const uint8_t *later = hashes + FILTER_AHEAD * FINGERPRINT_HASH;
            __builtin_prefetch(filter + find_words(later, blocks, &first, &second));
        }
        const uint8_t *block = filter + find_words(hashes, blocks, &first, &second);
        uint64_t missing = load_le64(hashes + 8) & ~load_le64(block + first);
        missing |= load_le64(hashes + 16) & ~load_le64(block + second);
        if (missing == 0)
            memcpy(selected + number++ * width, rows + i * width, width);
    }
    return number;
}
