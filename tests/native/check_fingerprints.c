/* Calls fingerprints.c with random rows, sorted or not, and compares with plain loops.
 *
 * Rows and results are in memory of just their size, so that the address sanitizer sees each byte
 * read or written outside of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprints.h"

#define ROUNDS 20000
#define MAX_ROWS 70
#define PARTS 6

static const size_t widths[] = {1, 2, 7, 8, 9, 31, 32, 38, 65};
static uint64_t state = 38;

static size_t next(size_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % below);
}

static void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "check_fingerprints: %s\n", what);
        exit(1);
    }
}

static uint8_t *allocate(size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);

    check(bytes != NULL, "out of memory");
    return bytes;
}

/* Return random rows; those of `few` different bytes are often equal. */
static uint8_t *make_rows(size_t count, size_t width, int few)
{
    uint8_t *rows = allocate(count * width);

    for (size_t i = 0; i < count * width; i++)
        rows[i] = (uint8_t)next(few ? 2 : 256);
    return rows;
}

static int is_in_order(const uint8_t *rows, size_t count, size_t width, int distinct)
{
    for (size_t i = 1; i < count; i++)
        if (memcmp(rows + (i - 1) * width, rows + i * width, width) >= (distinct ? 0 : 1))
            return 0;
    return 1;
}

static int has_row(const uint8_t *rows, size_t count, size_t width, const uint8_t *row, size_t size)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(rows + i * width, row, size) == 0)
            return 1;
    return 0;
}

static void check_merge(const uint8_t *rows, size_t count, size_t width, int is_sorted)
{
    struct rows_part parts[PARTS], copies[PARTS];
    uint8_t *merged = allocate(PARTS * count * width);
    size_t written;

    for (size_t i = 0; i < PARTS; i++) {
        size_t end = next(count + 1), start = next(end + 1);
        copies[i].at = parts[i].at = rows + start * width;
        copies[i].end = parts[i].end = rows + end * width;
    }
    written = rows_merge(parts, PARTS, width, merged);
    check(written <= PARTS * count, "more rows merged than there are");
    if (is_sorted) {
        check(is_in_order(merged, written, width, 1), "merged rows in the wrong order");
        for (size_t i = 0; i < PARTS; i++)
            for (const uint8_t *row = copies[i].at; row < copies[i].end; row += width)
                check(has_row(merged, written, width, row, width), "a row is lost in a merge");
    }
    free(merged);
}

static void check_search(const uint8_t *needles, size_t needle_count, size_t needle_width,
                         const uint8_t *rows, size_t count, size_t width, int is_sorted)
{
    size_t prefix = 1 + next(width < needle_width ? width : needle_width), expected = 0, found;
    uint8_t *matches;

    found = rows_search(needles, needle_count, needle_width, rows, count, width, prefix, NULL, 0);
    for (size_t i = 0; i < count; i++)
        expected += (size_t)has_row(needles, needle_count, needle_width, rows + i * width, prefix);
    check(!is_sorted || found == expected, "a search misses rows");
    matches = allocate(found * width);
    rows_search(needles, needle_count, needle_width, rows, count, width, prefix, matches, found);
    check(!is_sorted || is_in_order(matches, found, width, 0), "found rows in the wrong order");
    free(matches);
    if (found) { /* as if rows had changed between the two calls */
        matches = allocate((found - 1) * width);
        rows_search(needles, needle_count, needle_width, rows, count, width, prefix, matches,
                    found - 1);
        free(matches);
    }
}

static void check_filter(const uint8_t *rows, size_t count, size_t width)
{
    size_t blocks = 1 + next(4), seed = next(1000);
    uint8_t *filter = calloc(blocks, FINGERPRINT_FILTER_BLOCK);
    uint8_t *hashes = allocate(count * FINGERPRINT_HASH), *selected = allocate(count * width);

    check(filter != NULL, "out of memory");
    filter_hash(rows, count, width, seed, hashes);
    filter_select(filter, blocks, hashes, rows, count, width, selected);
    filter_add(filter, blocks, hashes, count);
    check(filter_select(filter, blocks, hashes, rows, count, width, selected) == count,
          "a filter denies a key that it holds");
    check(memcmp(selected, rows, count * width) == 0, "a filter changes rows");
    free(selected);
    free(hashes);
    free(filter);
}

int main(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        size_t width = widths[next(sizeof widths / sizeof *widths)], count = next(MAX_ROWS);
        size_t needle_width = widths[next(sizeof widths / sizeof *widths)];
        size_t needle_count = next(MAX_ROWS), before;
        int few = (int)next(2), is_sorted = round % 10 != 0;
        uint8_t *mixed = make_rows(count, width, few), *rows = allocate(count * width);
        uint8_t *mixed_needles = make_rows(needle_count, needle_width, few);
        uint8_t *needles = allocate(needle_count * needle_width);
        uint8_t *numbered = allocate(count * (width + FINGERPRINT_NUMBER));

        check(rows_sort(mixed, count, width, rows) == 0, "out of memory");
        check(rows_sort(mixed_needles, needle_count, needle_width, needles) == 0, "out of memory");
        check(is_in_order(rows, count, width, 0), "sorted rows in the wrong order");
        for (size_t i = 0; i < count; i++)
            check(has_row(rows, count, width, mixed + i * width, width), "a row is lost in a sort");
        if (!is_sorted) {
            memcpy(rows, mixed, count * width);
            memcpy(needles, mixed_needles, needle_count * needle_width);
        }
        check_merge(rows, count, width, is_sorted);
        check_search(needles, needle_count, needle_width, rows, count, width, is_sorted);
        before = rows_before(rows, count, width, needles, needle_count ? needle_width : 0, 0);
        check(before <= count, "more rows before a bound than there are");
        rows_number(rows, count, width, ((uint64_t)1 << 48) - count, numbered);
        if (width >= FINGERPRINT_KEY)
            check_filter(rows, count, width);
        free(numbered);
        free(needles);
        free(mixed_needles);
        free(rows);
        free(mixed);
    }
    return 0;
}
