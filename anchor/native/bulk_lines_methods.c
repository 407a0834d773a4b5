#include "bulk_lines_methods.h"

#include <stdlib.h>
#include <string.h>

#include "bulk_lines.h"

/* The code of names for which there is none left. */
#define NO_CODE 255

/* Return the code of an ending from the mapping `codes`; -1 with an error set. */
static int look_up(PyObject *codes, struct endings *endings, struct slice ending)
{
    struct ending_slot *slot = endings_find(endings, ending);
    PyObject *key, *code;
    long value;

    if (slot->code >= 0)
        return slot->code;
    key = PyBytes_FromStringAndSize((const char *)ending.at, (Py_ssize_t)ending.size);
    if (key == NULL)
        return -1;
    code = PyObject_GetItem(codes, key);
    Py_DECREF(key);
    if (code == NULL)
        return -1;
    value = PyLong_AsLong(code);
    Py_DECREF(code);
    if (value < 0 || value > NO_CODE) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a code is one byte");
        return -1;
    }
    slot->code = (int)value;
    return slot->code;
}

/* The columns of plain lines while they are read. */
struct plain_columns {
    uint8_t *sha256, *codes, *lengths, *texts;
    size_t pieces, text_size;
};

/* Read up to `most` plain lines; return where the rest begins, NULL with an error set. */
static const uint8_t *read_lines(struct slice rest, size_t most, size_t max_line, PyObject *codes,
                                 struct plain_columns *columns)
{
    struct endings endings;

    endings_clear(&endings);
    while (columns->pieces < most) {
        size_t at = columns->pieces;
        struct plain_line line;
        struct slice ending = {rest.at, 0};
        size_t size = plain_line_read(rest, max_line, &line);
        int code;
        if (size == 0)
            break;
        if (line.name.at)
            ending = find_ending(line.name);
        code = look_up(codes, &endings, ending);
        if (code < 0)
            return NULL;
        if (code == NO_CODE)
            break;
        memcpy(columns->sha256 + at * SHA256_SIZE, line.sha256, SHA256_SIZE);
        columns->codes[at] = (uint8_t)code;
        columns->lengths[2 * at] = (uint8_t)line.name.size;
        columns->lengths[2 * at + 1] = (uint8_t)(line.name.size >> 8);
        if (line.name.at)
            memcpy(columns->texts + columns->text_size, line.name.at, line.name.size);
        columns->text_size += line.name.size;
        columns->pieces++;
        rest.at += size;
        rest.size -= size;
    }
    return rest.at;
}

/* Return the names as a column of texts; None if there are none. */
static PyObject *join_names(const struct plain_columns *columns)
{
    PyObject *names;
    char *out;

    if (columns->text_size == 0)
        Py_RETURN_NONE;
    names =
        PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(2 * columns->pieces + columns->text_size));
    if (names) {
        out = PyBytes_AsString(names);
        memcpy(out, columns->lengths, 2 * columns->pieces);
        memcpy(out + 2 * columns->pieces, columns->texts, columns->text_size);
    }
    return names;
}

static PyObject *read_plain_lines(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer lines;
    Py_ssize_t start, most, max_line;
    PyObject *codes, *result = NULL;
    struct plain_columns columns = {NULL, NULL, NULL, NULL, 0, 0};
    const uint8_t *end;
    uint8_t *room = NULL;
    size_t size, text_room;

    if (!PyArg_ParseTuple(args, "y*nnnO:read_plain_lines", &lines, &start, &most, &max_line,
                          &codes))
        return NULL;
    if (start < 0 || start > lines.len || most < 0 || max_line < 0) {
        PyErr_SetString(PyExc_ValueError, "not within the lines");
        goto done;
    }
    if (most > COLUMNS_MOST_PIECES)
        most = COLUMNS_MOST_PIECES;
    size = (size_t)(lines.len - start);
    text_room = (size_t)most * PLAIN_NAME < size ? (size_t)most * PLAIN_NAME : size;
    room = malloc((size_t)most * (SHA256_SIZE + 3) + text_room + 1);
    if (room == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    columns.sha256 = room;
    columns.codes = columns.sha256 + most * SHA256_SIZE;
    columns.lengths = columns.codes + most;
    columns.texts = columns.lengths + 2 * most;
    end = read_lines((struct slice){(const uint8_t *)lines.buf + start, size}, (size_t)most,
                     (size_t)max_line, codes, &columns);
    if (end) {
        PyObject *names = join_names(&columns);
        if (names)
            result = Py_BuildValue("ny#y#N", (Py_ssize_t)(end - (const uint8_t *)lines.buf),
                                   (char *)columns.sha256,
                                   (Py_ssize_t)(columns.pieces * SHA256_SIZE),
                                   (char *)columns.codes, (Py_ssize_t)columns.pieces, names);
    }
done:
    free(room);
    PyBuffer_Release(&lines);
    return result;
}

static PyObject *format_accepted(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer identities, tail;
    unsigned long long number;
    PyObject *answers = NULL;
    size_t count, room;
    uint8_t *out, *end;

    if (!PyArg_ParseTuple(args, "Ky*y*:format_accepted", &number, &identities, &tail))
        return NULL;
    count = (size_t)identities.len / SHA256_SIZE;
    room = count * (ANSWER_ROOM + (size_t)tail.len);
    out = malloc(room ? room : 1);
    if (out == NULL) {
        PyErr_NoMemory();
    } else {
        end = write_accepted(out, number, identities.buf, count,
                             (struct slice){tail.buf, (size_t)tail.len});
        answers = PyBytes_FromStringAndSize((char *)out, end - out);
    }
    free(out);
    PyBuffer_Release(&tail);
    PyBuffer_Release(&identities);
    return answers;
}

PyMethodDef bulk_lines_methods[] = {
    {"read_plain_lines", read_plain_lines, METH_VARARGS,
     "read_plain_lines(lines, start, most, max_line, codes)\n--\n\n"
     "Return the end of the plain lines from `start` on, their SHA-256, codes and names."},
    {"format_accepted", format_accepted, METH_VARARGS,
     "format_accepted(number, identities, tail)\n--\n\n"
     "Return the answer to each new piece, the first of them in line `number`."},
    {NULL, NULL, 0, NULL},
};
