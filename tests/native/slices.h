/* What the programs here that read slices have in common: random numbers, and memory of just the
 * size of a slice, so that the address sanitizer sees each byte read outside of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"

static uint64_t seed = 6962;

static uint32_t below(size_t end)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % end);
}

static void fail(const char *why)
{
    fprintf(stderr, "%s: %s\n", CHECK, why);
    exit(1);
}

static struct slice allocate(const void *bytes, size_t size)
{
    uint8_t *memory = malloc(size ? size : 1);

    if (memory == NULL)
        fail("out of memory");
    if (size)
        memcpy(memory, bytes, size);
    return (struct slice){memory, size};
}
