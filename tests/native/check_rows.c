/* Holds every implementation usable here to the table of reference.py on standard input, and the
 * blocks of sha256_blocks.c to the rows.
 *
 * Rows and hashes are in memory of just their size, so that the address sanitizer sees each byte
 * read or written outside of them; compiled with GUARD_PAGES, for where it does not run, they end
 * where a page begins that nobody may touch.
 *
 * Arguments: the implementations that should be usable here, best first. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef GUARD_PAGES
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "sha256_blocks.h"

static void fail(const char *what)
{
    fprintf(stderr, "check_rows: %s\n", what);
    exit(1);
}

#ifdef GUARD_PAGES
static size_t pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

static uint8_t *allocate(size_t size)
{
    size_t used = pages(size), guard = pages(1);
    uint8_t *start = mmap(NULL, used + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0);

    if (start == MAP_FAILED || mprotect(start + used, guard, PROT_NONE) != 0)
        fail("out of memory");
    return start + (used - size);
}

static void release(uint8_t *bytes, size_t size)
{
    munmap(bytes + size - pages(size), pages(size) + pages(1));
}
#else
static uint8_t *allocate(size_t size)
{
    uint8_t *bytes = malloc(size); /* of size 0, too: one may point there, but not read */

    if (bytes == NULL && size)
        fail("out of memory");
    return bytes;
}

static void release(uint8_t *bytes, size_t size)
{
    (void)size;
    free(bytes);
}
#endif

/* The next `size` bytes of the table. */
static uint8_t *take(size_t size)
{
    uint8_t *bytes = allocate(size);

    if (size && fread(bytes, 1, size, stdin) != size)
        fail("the table ends within a case");
    return bytes;
}

static size_t number(const uint8_t *p)
{
    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

static void check(const struct sha256_implementation *implementation, uint8_t prefix,
                  const uint8_t *rows, size_t count, size_t width, const uint8_t *expected)
{
    size_t size = count * SHA256_SIZE;
    uint8_t *digests = allocate(size);

    sha256_rows(implementation, prefix, rows, count, width, digests);
    if (size && memcmp(digests, expected, size) != 0) {
        fprintf(stderr, "check_rows: %s, %zu rows of %zu bytes: not what hashlib gives\n",
                implementation->name, count, width);
        exit(1);
    }
    release(digests, size);
}

/* Blocks so low that few rows are many of them; more threads than some have blocks. */
static const size_t THREADS[] = {1, 2, 3, 5};
#define MAX_HEIGHT 4
#define MAX_LEVELS 8
#define MAX_NODES 75

static void compare(const char *name, const char *what, size_t count, struct sha256_cut cut,
                    const uint8_t *found, const uint8_t *expected, size_t size)
{
    if (size == 0 || memcmp(found, expected, size) == 0)
        return;
    fprintf(stderr, "check_rows: %s, %s of %zu, blocks of 2^%u, %zu threads: not as without\n", name,
            what, count, cut.height, cut.threads);
    exit(1);
}

static void check_cut(const struct sha256_implementation *implementation, const uint8_t *nodes,
                      size_t count, struct sha256_cut cut)
{
    uint8_t *expected[MAX_LEVELS], *levels[MAX_LEVELS], *digests = allocate(count * SHA256_SIZE);
    uint8_t *one_by_one = allocate(count * SHA256_SIZE);
    const uint8_t *below = nodes;

    sha256_rows(implementation, 7, nodes, count, SHA256_SIZE, one_by_one);
    sha256_rows_cut(implementation, cut, 7, nodes, count, SHA256_SIZE, digests);
    compare(implementation->name, "rows", count, cut, digests, one_by_one, count * SHA256_SIZE);
    for (size_t i = 0; i < MAX_LEVELS; i++) {
        size_t size = (count >> (i + 1)) * SHA256_SIZE;
        expected[i] = allocate(size);
        levels[i] = allocate(size);
        sha256_rows(implementation, 1, below, count >> (i + 1), 2 * SHA256_SIZE, expected[i]);
        below = expected[i];
    }
    sha256_levels(implementation, cut, nodes, count, levels, MAX_LEVELS);
    for (size_t i = 0; i < MAX_LEVELS; i++)
        compare(implementation->name, "levels", count, cut, levels[i], expected[i],
                (count >> (i + 1)) * SHA256_SIZE);
    for (unsigned height = 1; height <= cut.height; height++) {
        size_t size = (count >> height) * SHA256_SIZE;
        uint8_t *roots = allocate(size);
        if (sha256_subtrees(implementation, cut, nodes, count, height, roots) < 0)
            fail("out of memory");
        compare(implementation->name, "subtrees", count, cut, roots, expected[height - 1], size);
        release(roots, size);
    }
    for (size_t i = 0; i < MAX_LEVELS; i++) {
        release(expected[i], (count >> (i + 1)) * SHA256_SIZE);
        release(levels[i], (count >> (i + 1)) * SHA256_SIZE);
    }
    release(one_by_one, count * SHA256_SIZE);
    release(digests, count * SHA256_SIZE);
}

static void check_cuts(const struct sha256_implementation *implementation)
{
    for (size_t count = 0; count <= MAX_NODES; count++) {
        uint8_t *nodes = allocate(count * SHA256_SIZE);
        for (size_t i = 0; i < count * SHA256_SIZE; i++)
            nodes[i] = (uint8_t)(i * 167 + i / 251 + count);
        for (unsigned height = 1; height <= MAX_HEIGHT; height++)
            for (size_t i = 0; i < sizeof THREADS / sizeof THREADS[0]; i++)
                check_cut(implementation, nodes, count, (struct sha256_cut){height, THREADS[i]});
        release(nodes, count * SHA256_SIZE);
    }
}

int main(int argc, char **argv)
{
    const struct sha256_implementation *each;
    uint8_t sizes[20];
    unsigned long cases = 0;
    int usable = 0;

    sha256_prepare();
    for (each = sha256_implementations; each->name; each++)
        if (each->usable()) {
            usable++;
            if (argc > 1 && (usable >= argc || strcmp(argv[usable], each->name) != 0))
                fail(each->name);
        }
    if (argc > 1 && usable != argc - 1)
        fail(argv[usable + 1]);
    for (; fread(sizes, 1, sizeof sizes, stdin) == sizeof sizes; cases++) {
        size_t width = number(sizes + 4), count = number(sizes + 8);
        size_t rows_size = number(sizes + 12), hashes_size = number(sizes + 16);
        uint8_t *rows = take(rows_size), *expected = take(hashes_size);

        for (each = sha256_implementations; each->name; each++)
            if (each->usable())
                check(each, sizes[0], rows, count, width, expected);
        release(rows, rows_size);
        release(expected, hashes_size);
    }
    if (cases == 0)
        fail("the table is empty");
    for (each = sha256_implementations; each->name; each++)
        if (each->usable())
            check_cuts(each);
    printf("%lu cases:", cases);
    for (each = sha256_implementations; each->name; each++)
        if (each->usable())
            printf(" %s", each->name);
    puts("");
    return 0;
}
