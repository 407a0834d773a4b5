/* Holds every implementation usable here to the table of reference.py on standard input.
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

#include "sha256_rows.h"

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

int main(int argc, char **argv)
{
    const struct sha256_implementation *each;
    uint8_t sizes[20];
    unsigned long cases = 0;
    int usable = 0;

    for (each = sha256_implementations; each->name; each++)
        if (each->usable()) {
            usable++;
            if (argc > 1 && (usable >= argc || strcmp(argv[usable], each->name) != 0))
                fail(each->name);
        }
    if (argc > 1 && usable != argc - 1)
        fail(argv[usable + 1]);
    sha256_prepare();
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
    printf("%lu cases:", cases);
    for (each = sha256_implementations; each->name; each++)
        if (each->usable())
            printf(" %s", each->name);
    puts("");
    return 0;
}
