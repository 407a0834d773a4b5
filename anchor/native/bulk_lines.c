#include "bulk_lines.h"

#include <string.h>

/* What of the lines is still to be read. */
struct rest {
    const uint8_t *at, *end;
};

static int skip_bytes(struct rest *rest, const char *bytes, size_t size)
{
    if ((size_t)(rest->end - rest->at) < size || memcmp(rest->at, bytes, size) != 0)
        return 0;
    rest->at += size;
    return 1;
}

#define SKIP(rest, literal) skip_bytes(rest, literal, sizeof literal - 1)

static unsigned read_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - (unsigned)'0';
    return digit >= 'a' && digit <= 'f' ? digit - (unsigned)'a' + 10 : 16;
}

static int read_hex(struct rest *rest, uint8_t bytes[SHA256_SIZE])
{
    if (rest->end - rest->at < 2 * SHA256_SIZE)
        return 0;
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        unsigned high = read_digit(*rest->at++), low = read_digit(*rest->at++);
        if ((high | low) > 15)
            return 0;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return 1;
}

static int read_name(struct rest *rest, struct slice *name)
{
    name->at = rest->at;
    while (rest->at < rest->end && *rest->at >= ' ' && *rest->at <= '~' && *rest->at != '"' &&
           *rest->at != '\\')
        rest->at++;
    name->size = (size_t)(rest->at - name->at);
    return name->size >= 1 && name->size <= PLAIN_NAME && SKIP(rest, "\"");
}

size_t plain_line_read(struct slice lines, size_t max_line, struct plain_line *line)
{
    struct rest rest = {lines.at, lines.at + lines.size};
    size_t size;

    line->name = (struct slice){NULL, 0};
    if (!SKIP(&rest, "{\"sha256\":"))
        return 0;
    (void)SKIP(&rest, " ");
    if (!SKIP(&rest, "\"") || !read_hex(&rest, line->sha256) || !SKIP(&rest, "\""))
        return 0;
    if (SKIP(&rest, ",")) {
        (void)SKIP(&rest, " ");
        if (!SKIP(&rest, "\"name\":"))
            return 0;
        (void)SKIP(&rest, " ");
        if (!SKIP(&rest, "\"") || !read_name(&rest, &line->name))
            return 0;
    }
    if (!SKIP(&rest, "}"))
        return 0;
    (void)SKIP(&rest, "\r");
    size = (size_t)(rest.at - lines.at);
    return size <= max_line && SKIP(&rest, "\n") ? size + 1 : 0;
}

struct slice find_ending(struct slice name)
{
    size_t start = name.size;
    int dots = 0;

    for (size_t at = name.size; at > 0 && dots < 2;)
        if (name.at[--at] == '.') {
            start = at;
            dots++;
        }
    while (start > 0 && (name.at[--start] & 0xc0) == 0x80)
        ; /* a character of several bytes */
    return (struct slice){name.at + start, name.size - start};
}

void endings_clear(struct endings *endings)
{
    for (size_t i = 0; i < ENDING_SLOTS; i++)
        endings->slots[i].code = -1;
}

struct ending_slot *endings_find(struct endings *endings, struct slice ending)
{
    struct ending_slot *slot;
    uint32_t sum = (uint32_t)ending.size;

    for (size_t i = 0; i < ending.size; i++)
        sum = sum * 31 + ending.at[i];
    slot = &endings->slots[(sum ^ sum >> 16) % ENDING_SLOTS];
    if (slot->code >= 0 && slot->ending.size == ending.size &&
        (ending.size == 0 || memcmp(slot->ending.at, ending.at, ending.size) == 0))
        return slot;
    slot->ending = ending;
    slot->code = -1;
    return slot;
}

static uint8_t *put_bytes(uint8_t *out, const void *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return out + size;
}

#define PUT(out, literal) put_bytes(out, literal, sizeof literal - 1)

static uint8_t *put_decimal(uint8_t *out, uint64_t number)
{
    uint8_t digits[20], *at = digits + sizeof digits;

    do
        *--at = (uint8_t)('0' + number % 10);
    while ((number /= 10) != 0);
    return put_bytes(out, at, (size_t)(digits + sizeof digits - at));
}

uint8_t *write_accepted(uint8_t *out, uint64_t number, const uint8_t *identities, size_t count,
                        struct slice tail)
{
    static const char DIGITS[] = "0123456789abcdef";

    for (; count--; identities += SHA256_SIZE) {
        out = put_decimal(PUT(out, "{\"line\":"), number++);
        out = PUT(out, ",\"id\":\"");
        for (size_t i = 0; i < SHA256_SIZE; i++) {
            *out++ = (uint8_t)DIGITS[identities[i] >> 4];
            *out++ = (uint8_t)DIGITS[identities[i] & 15];
        }
        out = PUT(out, "\",\"state\":\"accepted\",\"known\":false");
        out = put_bytes(out, tail.at, tail.size);
    }
    return out;
}
