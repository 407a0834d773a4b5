/* Holds bulk_lines.c to itself, on plain lines and on bent ones: what is read is what was written,
 * and nothing else is read. */
#define CHECK "check_bulk_lines"

#include "bulk_lines.h"
#include "slices.h"

#define LINES 200000
#define MOST_NAME 40

static size_t write_line(char *out, const uint8_t *digest, const char *name)
{
    size_t size = (size_t)sprintf(out, "{\"sha256\":%s\"", below(2) ? " " : "");

    for (size_t i = 0; i < SHA256_SIZE; i++)
        size += (size_t)sprintf(out + size, "%02x", digest[i]);
    size += (size_t)sprintf(out + size, "\"");
    if (name)
        size += (size_t)sprintf(out + size, ",%s\"name\":%s\"%s\"", below(2) ? " " : "",
                                below(2) ? " " : "", name);
    return size + (size_t)sprintf(out + size, "}%s\n", below(3) ? "" : "\r");
}

static void check_line(void)
{
    char text[400], name[MOST_NAME + 1];
    uint8_t digest[SHA256_SIZE];
    size_t length = below(MOST_NAME), size;
    struct plain_line line;
    struct slice lines;

    for (size_t i = 0; i < SHA256_SIZE; i++)
        digest[i] = (uint8_t)below(256);
    for (size_t i = 0; i < length; i++)
        name[i] = "abc.XYZ ~!#[]019/"[below(17)];
    name[length] = 0;
    size = write_line(text, digest, length ? name : NULL);

    lines = allocate(text, size);
    if (plain_line_read(lines, size - 1, &line) != size ||
        memcmp(line.sha256, digest, SHA256_SIZE) != 0 || line.name.size != length ||
        (line.name.at == NULL) != (length == 0) ||
        (length && memcmp(line.name.at, name, length) != 0))
        fail("a plain line was read differently");
    if (plain_line_read(lines, size - 2, &line) != 0)
        fail("a line that is too long was read");
    free((void *)lines.at);

    lines = allocate(text, below(size));
    if (plain_line_read(lines, 1000, &line) != 0)
        fail("a part of a line was read");
    free((void *)lines.at);

    text[below(size)] = (char)below(256);
    lines = allocate(text, size);
    if (plain_line_read(lines, 1000, &line) > size)
        fail("more was read than there is");
    free((void *)lines.at);
}

static void check_endings(void)
{
    static const char *const NAMES[][2] = {
        {"a", "a"},           {"ab", "b"},           {"a.pdf", "a.pdf"},   {"bca.pdf", "a.pdf"},
        {".pdf", ".pdf"},     {"x.tar.gz", "x.tar.gz"}, {"1.2.3", "1.2.3"}, {"0.1.2.3", "1.2.3"},
        {"..", ".."},         {"...", "..."},        {"a\xc3\xa9.b", "\xc3\xa9.b"},
        {"a\xc3\xa9", "\xc3\xa9"}, {"", ""},
    };
    struct endings endings;

    endings_clear(&endings);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct slice name = allocate(NAMES[i][0], strlen(NAMES[i][0]));
        struct slice ending = find_ending(name);
        struct ending_slot *slot;
        if (ending.size != strlen(NAMES[i][1]) || memcmp(ending.at, NAMES[i][1], ending.size) != 0)
            fail("another ending was found");
        slot = endings_find(&endings, ending);
        if (slot->code >= 0)
            fail("the code of another ending was found");
        slot->code = (int)i;
        if (endings_find(&endings, ending)->code != (int)i)
            fail("the code of an ending was not found");
        slot->code = -1;
        free((void *)name.at);
    }
}

static void check_answers(void)
{
    static const uint64_t NUMBERS[] = {0, 9, 10, 12345, UINT64_MAX};
    const uint8_t *identity = allocate("0123456789abcdef0123456789abcdef", SHA256_SIZE).at;

    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        struct slice tail = {(const uint8_t *)"}\n", 2};
        uint8_t *out = malloc(ANSWER_ROOM + tail.size), *end;
        char expected[ANSWER_ROOM + 3];
        size_t size = (size_t)sprintf(expected, "{\"line\":%llu,\"id\":\"",
                                      (unsigned long long)NUMBERS[i]);
        if (out == NULL)
            fail("out of memory");
        for (size_t at = 0; at < SHA256_SIZE; at++)
            size += (size_t)sprintf(expected + size, "%02x", identity[at]);
        size += (size_t)sprintf(expected + size, "\",\"state\":\"accepted\",\"known\":false}\n");
        end = write_accepted(out, NUMBERS[i], identity, 1, tail);
        if ((size_t)(end - out) != size || memcmp(out, expected, size) != 0)
            fail("another answer was written");
        free(out);
    }
    free((void *)identity);
}

int main(void)
{
    for (int i = 0; i < LINES; i++)
        check_line();
    check_endings();
    check_answers();
    puts("check_bulk_lines: ok");
    return 0;
}
