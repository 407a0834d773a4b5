#include "fingerprints_methods.h"

#include <stdlib.h>
#include <string.h>

#include "fingerprints.h"

/* Work on fewer bytes than this, some ten microseconds, keeps the GIL. */
#define FEW_BYTES ((Py_ssize_t)1 << 16)

#define MAX_NUMBER ((uint64_t)1 << (8 * FINGERPRINT_NUMBER))

/* Return the number of rows; -1 with an error set if `rows` is no whole number of them. */
static Py_ssize_t count_rows(const Py_buffer *rows, Py_ssize_t width)
{
    if (width < 1) {
        PyErr_SetString(PyExc_ValueError, "a row has at least one byte");
        return -1;
    }
    if (rows->len % width) {
        PyErr_Format(PyExc_ValueError, "%zd bytes are no whole number of rows of %zd", rows->len,
                     width);
        return -1;
    }
    return rows->len / width;
}

static PyObject *sort_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer rows;
    Py_ssize_t width, count;
    PyObject *sorted = NULL;
    uint8_t *out;
    int failed;

    if (!PyArg_ParseTuple(args, "y*n:sort_rows", &rows, &width))
        return NULL;
    count = count_rows(&rows, width);
    if (count < 0)
        goto done;
    sorted = PyBytes_FromStringAndSize(NULL, rows.len);
    if (sorted == NULL)
        goto done;
    out = (uint8_t *)PyBytes_AsString(sorted);
    if (rows.len < FEW_BYTES) {
        failed = rows_sort(rows.buf, (size_t)count, (size_t)width, out);
    } else {
        Py_BEGIN_ALLOW_THREADS
        failed = rows_sort(rows.buf, (size_t)count, (size_t)width, out);
        Py_END_ALLOW_THREADS
    }
    if (failed) {
        Py_CLEAR(sorted);
        PyErr_NoMemory();
    }
done:
    PyBuffer_Release(&rows);
    return sorted;
}

/* Set `parts` to the rows after `after` and up to `until`, which may be NULL; return their number,
 * or -1 with an error set. */
static Py_ssize_t cut_parts(struct rows_part *parts, const Py_buffer *buffers, Py_ssize_t count,
                            Py_ssize_t width, const Py_buffer *after, const Py_buffer *until)
{
    Py_ssize_t total = 0;

    for (Py_ssize_t i = 0; i < count; i++) {
        const uint8_t *rows = buffers[i].buf;
        Py_ssize_t number = count_rows(&buffers[i], width);
        size_t start, end;
        if (number < 0)
            return -1;
        end = (size_t)number;
        if (until)
            end = rows_before(rows, end, (size_t)width, until->buf, (size_t)until->len, 1);
        start = rows_before(rows, end, (size_t)width, after->buf, (size_t)after->len, 1);
        parts[i].at = rows + start * (size_t)width;
        parts[i].end = rows + end * (size_t)width;
        if ((Py_ssize_t)(end - start) > PY_SSIZE_T_MAX / width - total) {
            PyErr_SetString(PyExc_OverflowError, "too many rows");
            return -1;
        }
        total += (Py_ssize_t)(end - start);
    }
    return total;
}

/* Return the merged rows, which are `total` unless some are equal. */
static PyObject *merge_parts(struct rows_part *parts, Py_ssize_t count, Py_ssize_t width,
                             Py_ssize_t total)
{
    PyObject *merged = PyBytes_FromStringAndSize(NULL, total * width), *shorter;
    uint8_t *out;
    size_t written;

    if (merged == NULL)
        return NULL;
    out = (uint8_t *)PyBytes_AsString(merged);
    if (total * width < FEW_BYTES) {
        written = rows_merge(parts, (size_t)count, (size_t)width, out);
    } else {
        Py_BEGIN_ALLOW_THREADS
        written = rows_merge(parts, (size_t)count, (size_t)width, out);
        Py_END_ALLOW_THREADS
    }
    if ((Py_ssize_t)written == total)
        return merged;
    shorter = PyBytes_FromStringAndSize((char *)out, (Py_ssize_t)written * width);
    Py_DECREF(merged);
    return shorter;
}

static PyObject *merge_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *sequence, *merged = NULL;
    Py_buffer after, until = {0}, *buffers = NULL;
    struct rows_part *parts = NULL;
    Py_ssize_t width, count, total, held = 0;
    PyObject *bound;

    if (!PyArg_ParseTuple(args, "Ony*O:merge_rows", &sequence, &width, &after, &bound))
        return NULL;
    if (bound != Py_None && PyObject_GetBuffer(bound, &until, PyBUF_SIMPLE) < 0)
        goto done;
    count = PySequence_Size(sequence);
    if (count < 0)
        goto done;
    buffers = calloc((size_t)count + 1, sizeof *buffers);
    parts = calloc((size_t)count + 1, sizeof *parts);
    if (buffers == NULL || parts == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (; held < count; held++) {
        PyObject *item = PySequence_GetItem(sequence, held);
        int failed = item == NULL || PyObject_GetBuffer(item, &buffers[held], PyBUF_SIMPLE) < 0;
        Py_XDECREF(item); /* the buffer keeps it */
        if (failed)
            goto done;
    }
    if (width < 1) {
        PyErr_SetString(PyExc_ValueError, "a row has at least one byte");
        goto done;
    }
    total = cut_parts(parts, buffers, count, width, &after, bound == Py_None ? NULL : &until);
    if (total >= 0)
        merged = merge_parts(parts, count, width, total);
done:
    while (held)
        PyBuffer_Release(&buffers[--held]);
    free(parts);
    free(buffers);
    if (until.obj)
        PyBuffer_Release(&until);
    PyBuffer_Release(&after);
    return merged;
}

static PyObject *search_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer needles, rows;
    Py_ssize_t needle_width, width, prefix, needle_count, count;
    PyObject *found = NULL;
    size_t matches, room = 0;
    uint8_t *out = NULL;

    if (!PyArg_ParseTuple(args, "y*ny*nn:search_rows", &needles, &needle_width, &rows, &width,
                          &prefix))
        return NULL;
    needle_count = count_rows(&needles, needle_width);
    count = needle_count < 0 ? -1 : count_rows(&rows, width);
    if (count < 0)
        goto done;
    if (prefix < 1 || prefix > needle_width || prefix > width) {
        PyErr_SetString(PyExc_ValueError, "the compared bytes are part of both rows");
        goto done;
    }
    /* Once to count, mostly nothing, and once to write. */
    for (;;) {
        if (needles.len < FEW_BYTES) {
            matches = rows_search(needles.buf, (size_t)needle_count, (size_t)needle_width,
                                  rows.buf, (size_t)count, (size_t)width, (size_t)prefix, out,
                                  room);
        } else {
            Py_BEGIN_ALLOW_THREADS
            matches = rows_search(needles.buf, (size_t)needle_count, (size_t)needle_width,
                                  rows.buf, (size_t)count, (size_t)width, (size_t)prefix, out,
                                  room);
            Py_END_ALLOW_THREADS
        }
        if (found)
            break;
        room = matches;
        found = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)matches * width);
        if (found == NULL || matches == 0)
            break;
        out = (uint8_t *)PyBytes_AsString(found);
    }
done:
    PyBuffer_Release(&rows);
    PyBuffer_Release(&needles);
    return found;
}

static PyObject *number_rows(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer rows;
    Py_ssize_t width, count, first;
    PyObject *numbered = NULL;
    uint8_t *out;

    if (!PyArg_ParseTuple(args, "y*nn:number_rows", &rows, &width, &first))
        return NULL;
    count = count_rows(&rows, width);
    if (count < 0)
        goto done;
    if (first < 0 || (uint64_t)first > MAX_NUMBER || (uint64_t)count > MAX_NUMBER - (uint64_t)first) {
        PyErr_SetString(PyExc_OverflowError, "a number has six bytes");
        goto done;
    }
    if (count > PY_SSIZE_T_MAX / (width + FINGERPRINT_NUMBER)) {
        PyErr_SetString(PyExc_OverflowError, "too many rows");
        goto done;
    }
    numbered = PyBytes_FromStringAndSize(NULL, count * (width + FINGERPRINT_NUMBER));
    if (numbered == NULL)
        goto done;
    out = (uint8_t *)PyBytes_AsString(numbered);
    if (rows.len < FEW_BYTES) {
        rows_number(rows.buf, (size_t)count, (size_t)width, (uint64_t)first, out);
    } else {
        Py_BEGIN_ALLOW_THREADS
        rows_number(rows.buf, (size_t)count, (size_t)width, (uint64_t)first, out);
        Py_END_ALLOW_THREADS
    }
done:
    PyBuffer_Release(&rows);
    return numbered;
}

static PyObject *hash_keys(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer rows;
    Py_ssize_t width, count;
    unsigned long long seed;
    PyObject *hashes = NULL;
    uint8_t *out;

    if (!PyArg_ParseTuple(args, "y*nK:hash_keys", &rows, &width, &seed))
        return NULL;
    if (width < FINGERPRINT_KEY) {
        PyErr_Format(PyExc_ValueError, "a row begins with a key of %d bytes", FINGERPRINT_KEY);
        goto done;
    }
    count = count_rows(&rows, width);
    if (count < 0)
        goto done;
    hashes = PyBytes_FromStringAndSize(NULL, count * FINGERPRINT_HASH);
    if (hashes == NULL)
        goto done;
    out = (uint8_t *)PyBytes_AsString(hashes);
    if (rows.len < FEW_BYTES) {
        filter_hash(rows.buf, (size_t)count, (size_t)width, seed, out);
    } else {
        Py_BEGIN_ALLOW_THREADS
        filter_hash(rows.buf, (size_t)count, (size_t)width, seed, out);
        Py_END_ALLOW_THREADS
    }
done:
    PyBuffer_Release(&rows);
    return hashes;
}

/* Return the number of hashes, or -1 with an error set; set `blocks` to that of the filter's blocks. */
static Py_ssize_t check_filter(const Py_buffer *filter, const Py_buffer *hashes, size_t *blocks)
{
    *blocks = (size_t)filter->len / FINGERPRINT_FILTER_BLOCK;
    if (filter->len % FINGERPRINT_FILTER_BLOCK || *blocks == 0 || *blocks > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "a filter has blocks of %d bytes", FINGERPRINT_FILTER_BLOCK);
        return -1;
    }
    if (hashes->len % FINGERPRINT_HASH) {
        PyErr_Format(PyExc_ValueError, "a hash has %d bytes", FINGERPRINT_HASH);
        return -1;
    }
    return hashes->len / FINGERPRINT_HASH;
}

static PyObject *add_to_filter(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer filter, hashes;
    Py_ssize_t count;
    size_t blocks;

    if (!PyArg_ParseTuple(args, "w*y*:add_to_filter", &filter, &hashes))
        return NULL;
    count = check_filter(&filter, &hashes, &blocks);
    if (count >= 0) {
        if (hashes.len < FEW_BYTES) {
            filter_add(filter.buf, blocks, hashes.buf, (size_t)count);
        } else {
            Py_BEGIN_ALLOW_THREADS
            filter_add(filter.buf, blocks, hashes.buf, (size_t)count);
            Py_END_ALLOW_THREADS
        }
    }
    PyBuffer_Release(&hashes);
    PyBuffer_Release(&filter);
    return count < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *select_by_filter(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer filter, hashes, rows;
    Py_ssize_t width, count, row_count;
    size_t blocks, number;
    uint8_t *selected;
    PyObject *result = NULL;

    if (!PyArg_ParseTuple(args, "y*y*y*n:select_by_filter", &filter, &hashes, &rows, &width))
        return NULL;
    count = check_filter(&filter, &hashes, &blocks);
    row_count = count < 0 ? -1 : count_rows(&rows, width);
    if (row_count < 0)
        goto done;
    if (row_count != count) {
        PyErr_SetString(PyExc_ValueError, "each row has a hash");
        goto done;
    }
    selected = malloc((size_t)rows.len + 1);
    if (selected == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    if (rows.len < FEW_BYTES) {
        number = filter_select(filter.buf, blocks, hashes.buf, rows.buf, (size_t)count,
                               (size_t)width, selected);
    } else {
        Py_BEGIN_ALLOW_THREADS
        number = filter_select(filter.buf, blocks, hashes.buf, rows.buf, (size_t)count,
                               (size_t)width, selected);
        Py_END_ALLOW_THREADS
    }
    result = PyBytes_FromStringAndSize((char *)selected, (Py_ssize_t)number * width);
    free(selected);
done:
    PyBuffer_Release(&rows);
    PyBuffer_Release(&hashes);
    PyBuffer_Release(&filter);
    return result;
}

PyMethodDef fingerprints_methods[] = {
    {"sort_rows", sort_rows, METH_VARARGS,
     "sort_rows(rows, width, /)\n--\n\nReturn the rows of `width` bytes in bytewise order."},
    {"merge_rows", merge_rows, METH_VARARGS,
     "merge_rows(parts, width, after, until, /)\n--\n\n"
     "Merge sorted rows after one bound and up to the other; return each distinct row once."},
    {"search_rows", search_rows, METH_VARARGS,
     "search_rows(needles, needle_width, rows, width, prefix, /)\n--\n\n"
     "Return the sorted rows whose first `prefix` bytes are those of a needle."},
    {"number_rows", number_rows, METH_VARARGS,
     "number_rows(rows, width, first, /)\n--\n\n"
     "Append a number of six bytes to each row, counted from `first`."},
    {"hash_keys", hash_keys, METH_VARARGS,
     "hash_keys(rows, width, seed, /)\n--\n\n"
     "Hash the first 32 bytes of each row for Bloom filters, to 16 bytes each."},
    {"add_to_filter", add_to_filter, METH_VARARGS,
     "add_to_filter(filter, hashes, /)\n--\n\nAdd hashed keys to a Bloom filter."},
    {"select_by_filter", select_by_filter, METH_VARARGS,
     "select_by_filter(filter, hashes, rows, width, /)\n--\n\n"
     "Return the rows whose hashed key a Bloom filter may hold."},
    {NULL, NULL, 0, NULL},
};
