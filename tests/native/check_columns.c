/* Holds columns.c to itself, on columns as they should be and on bent ones: what is made is taken
 * apart into the same, each implementation finds the same false leaves, and nothing else is read. */
#define CHECK "check_columns"

#include "slices.h"

#define RUNS 4000
#define MOST 12 /* pieces */
#define SLICES 12

static struct slice random_column(size_t size)
{
    uint8_t bytes[MOST * SHA256_SIZE];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)below(256);
    return allocate(bytes, size);
}

/* Texts with escapes and with characters of several bytes; some are no text. */
static struct slice random_texts(size_t pieces)
{
    static const char *const PARTS[] = {"name", "\"",           "\\",   "\n",           "\x01",
                                        "\x7f", "\xc3\xa4",     "\xe2\x82\xac",
                                        "\xf0\x9d\x84\x9e",     "\xff", "\xed\xa0\x80", "\xc3"};
    uint8_t bytes[MOST * (2 + 60 * 4)], *end = bytes + 2 * pieces;

    for (size_t i = 0; i < pieces; i++) {
        uint8_t *start = end;
        size_t kinds = below(8) ? 9 : 12;
        for (uint32_t parts = below(60); parts; parts--) {
            const char *part = PARTS[below(kinds)];
            memcpy(end, part, strlen(part));
            end += strlen(part);
        }
        bytes[2 * i] = (uint8_t)(end - start);
        bytes[2 * i + 1] = (uint8_t)((end - start) >> 8);
    }
    return allocate(bytes, (size_t)(end - bytes));
}

static struct slice text(const char *text)
{
    return allocate(text, strlen(text));
}

static void list_slices(struct columns *c, struct slice *slices[SLICES])
{
    struct slice *all[SLICES] = {&c->accepted_at, &c->leaves, &c->codes,        &c->times,
                                 &c->sha256,      &c->sm3,    &c->starts,       &c->tails,
                                 &c->salts,       &c->sizes,  &c->names.column, &c->records.column};

    memcpy(slices, all, sizeof all);
}

static void release(struct slice slice)
{
    free((void *)(uintptr_t)slice.at);
}

/* Columns that fit each other. */
static struct columns *make_columns(void)
{
    struct columns *c = calloc(1, sizeof *c);
    uint8_t codes[MOST], sizes[8 * MOST] = {0}, times[8 * MOST] = {0};

    if (c == NULL)
        fail("out of memory");
    c->first = below(1000);
    c->pieces = 1 + below(MOST);
    c->kind_count = 1 + below(6);
    for (size_t i = 0; i < c->kind_count; i++) {
        struct kind *kind = &c->kinds[i];
        kind->flags = below(3) ? KIND_MADE : below(3) ? KIND_KEPT : below(2) ? KIND_ERASED : 0;
        kind->flags |= below(4) ? KIND_HAS_SHA256 : KIND_HAS_SM3;
        kind->flags |= below(256) & (KIND_HAS_SM3 | KIND_HAS_SIZE | KIND_HAS_START);
        kind->flags |= below(3) ? 0 : KIND_NAMED_BY_DIGEST;
        kind->middle = text(below(2) ? "},\"name\":" : "},\"log\":\"0x1\",\"name\":");
        kind->joint = text(below(2) ? ",\"recorded_at\":\""
                                    : ",\"not_before\":{\"a\":1},\"recorded_at\":\"");
        kind->prefix = text("digest:");
        if (below(4) == 0)
            kind->accepted_at = text("some day");
    }
    for (size_t at = 0; at < c->pieces; at++) {
        codes[at] = (uint8_t)below(c->kind_count);
        for (uint32_t i = below(8); i; i--) {
            sizes[8 * at + i - 1] = (uint8_t)(below(256) & (i == 7 ? 0x1f : 0xff));
            times[8 * at + i - 1] = (uint8_t)below(256);
        }
    }
    c->accepted_at = text("2026-01-02T03:04:05.678Z");
    c->codes = allocate(codes, c->pieces);
    c->leaves = random_column(c->pieces * SHA256_SIZE);
    if (below(2))
        c->times = allocate(times, 8 * c->pieces);
    c->sha256 = random_column(c->pieces * SHA256_SIZE);
    c->sm3 = random_column(c->pieces * SHA256_SIZE);
    c->starts = random_column(c->pieces * SHA256_SIZE / 2);
    c->tails = random_column(c->pieces * SHA256_SIZE / 2);
    c->salts = random_column(c->pieces * SHA256_SIZE);
    c->sizes = allocate(sizes, 8 * c->pieces);
    c->names.column = random_texts(c->pieces);
    c->records.column = random_texts(c->pieces);
    return c;
}

static void release_columns(struct columns *c)
{
    struct slice *slices[SLICES];

    list_slices(c, slices);
    for (size_t i = 0; i < SLICES; i++)
        release(*slices[i]);
    for (size_t i = 0; i < c->kind_count; i++) {
        release(c->kinds[i].middle);
        release(c->kinds[i].joint);
        release(c->kinds[i].accepted_at);
        release(c->kinds[i].prefix);
    }
    free(c);
}

/* Change a byte of a column, or its length, or leave it out. */
static void bend(struct columns *c)
{
    struct slice *slices[SLICES], *slice, old;
    uint8_t *bytes;

    list_slices(c, slices);
    slice = slices[below(SLICES)];
    old = *slice;
    if (old.size == 0)
        return;
    switch (below(8)) {
    case 0:
        *slice = (struct slice){NULL, 0};
        break;
    case 1:
        *slice = allocate(old.at, old.size - 1 - below(old.size));
        break;
    case 2: /* a byte longer, which is the first one again */
        bytes = malloc(old.size + 1);
        if (bytes == NULL)
            fail("out of memory");
        memcpy(bytes, old.at, old.size);
        bytes[old.size] = old.at[0];
        *slice = (struct slice){bytes, old.size + 1};
        break;
    default:
        *slice = allocate(old.at, old.size);
        ((uint8_t *)(uintptr_t)slice->at)[below(old.size)] = (uint8_t)below(256);
    }
    release(old);
}

/* Take a record apart, which columns made; as it is, and with another byte or shorter. */
static void check_split(const struct columns *c, size_t at, struct slice record)
{
    static struct record_parts parts;
    const struct kind *kind = &c->kinds[c->codes.at[at]];
    const uint8_t *sha256 = kind->flags & KIND_HAS_SHA256 ? c->sha256.at + 32 * at : NULL;
    const uint8_t *sm3 = kind->flags & KIND_HAS_SM3 ? c->sm3.at + 32 * at : NULL;
    struct slice time = kind->accepted_at.at ? kind->accepted_at : c->accepted_at, bent;
    int failed = record_split(record, sha256, sm3, time, &parts);

    /* A bent time or middle may be none that a record can have. */
    if (c->times.at == NULL && failed && memchr(time.at, '"', time.size) == NULL)
        fail("a record is not taken apart");
    if (!failed && (memcmp(parts.salt, c->salts.at + 32 * at, 32) != 0 ||
                    parts.middle.size != kind->middle.size ||
                    parts.joint.size != kind->joint.size ||
                    (parts.size >= 0) != ((kind->flags & KIND_HAS_SIZE) != 0)))
        fail("a record has other parts");
    for (int i = 0; i < 4; i++) {
        bent = allocate(record.at, below(2) ? record.size : below(record.size + 1));
        if (bent.size)
            ((uint8_t *)(uintptr_t)bent.at)[below(bent.size)] = (uint8_t)"\"\\u0,}\xff"[below(7)];
        record_split(bent, sha256, sm3, time, &parts);
        release(bent);
    }
}

/* Compute leaves that are those of the records, and find that they are. */
static size_t check_leaves(const struct columns *c,
                           const struct sha256_implementation *implementation, uint8_t *leaves)
{
    struct columns own = *c;
    uint8_t tails[MOST * 16], found[MOST];
    size_t total = columns_complete(c, implementation, (struct slice){NULL, 0}, leaves, tails);

    if (columns_find_false_leaves(c, implementation, found) < 0)
        fail("out of memory");
    if (total == 0)
        return 0;
    own.leaves.at = leaves;
    columns_find_false_leaves(&own, implementation, found);
    for (size_t at = 0; at < c->pieces; at++)
        if (found[at])
            fail("the leaf of a record is not found again");
    return total;
}

static void check_run(const struct columns *c)
{
    static uint8_t record[RECORD_ROOM], entries[MOST * ENTRY_SIZE];
    static uint8_t identities[MOST * 2 * SHA256_SIZE];
    uint8_t leaves[2][MOST * 32] = {{0}};
    size_t totals[2], tried = 0, count;

    for (size_t at = 0; at < c->pieces; at++) {
        size_t size = columns_write_record(c, at, record);
        if (size && c->kinds[c->codes.at[at]].flags & KIND_MADE) {
            struct slice made = allocate(record, size);
            check_split(c, at, made);
            release(made);
        }
    }
    if (columns_write_entries(c, entries) * SHA256_SIZE !=
            columns_write_identities(c, 0, identities) ||
        columns_write_identities(c, 1, identities) % (2 * SHA256_SIZE) != 0)
        fail("a piece has an entry or an identity alone");
    for (const struct sha256_implementation *each = sha256_implementations; each->name; each++) {
        size_t turn = tried != 0;
        if (!each->usable())
            continue;
        totals[turn] = check_leaves(c, each, leaves[turn]);
        if (columns_write_record_entries(c, each, 10, entries, &count) < 0 || count > c->pieces)
            fail("there are more entries than records");
        if (tried++ && (totals[0] != totals[1] ||
                        (totals[0] && memcmp(leaves[0], leaves[1], 32 * c->pieces) != 0)))
            fail("another implementation makes other leaves");
    }
}

int main(void)
{
    size_t whole = 0;

    sha256_prepare();
    for (int run = 0; run < RUNS; run++) {
        struct columns *c = make_columns();
        if (columns_check(c) < 0)
            fail("columns that fit are refused");
        check_run(c);
        for (int i = 0; i < 4; i++) {
            bend(c);
            if (columns_check(c) == 0) {
                check_run(c);
                whole++;
            }
        }
        release_columns(c);
    }
    printf("%d runs, %zu of %d bent ones with columns that fit\n", RUNS, whole, 4 * RUNS);
    return 0;
}
