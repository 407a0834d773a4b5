#include "columns_methods.h"

#include <stdlib.h>

#include "columns.h"

/* Set a slice to the bytes of an object, which may be None.  Only `bytes` are taken: they never
 * change, so they can be read without the GIL. */
static int take_bytes(PyObject *object, void *target)
{
    struct slice *slice = target;
    char *bytes = NULL;
    Py_ssize_t size = 0;

    if (object != Py_None && PyBytes_AsStringAndSize(object, &bytes, &size) < 0)
        return 0;
    slice->at = (const uint8_t *)bytes;
    slice->size = (size_t)size;
    return 1;
}

static int take_kinds(PyObject *kinds, struct columns *columns)
{
    Py_ssize_t count = PyTuple_Size(kinds);

    if (count < 0)
        return 0;
    if (count > COLUMNS_MOST_KINDS) {
        PyErr_SetString(PyExc_ValueError, "too many kinds");
        return 0;
    }
    columns->kind_count = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        struct kind *kind = &columns->kinds[i];
        PyObject *values = PyTuple_GetItem(kinds, i);
        if (!PyTuple_Check(values)) {
            PyErr_SetString(PyExc_TypeError, "a kind is a tuple");
            return 0;
        }
        if (!PyArg_ParseTuple(values, "IO&O&O&O&", &kind->flags, take_bytes, &kind->middle,
                              take_bytes, &kind->joint, take_bytes, &kind->accepted_at, take_bytes,
                              &kind->prefix))
            return 0;
    }
    return 1;
}

/* Set `columns` from a tuple, which keeps them. */
static int take_columns(PyObject *tuple, struct columns *columns)
{
    PyObject *kinds;
    long long first;
    Py_ssize_t pieces;

    if (!PyArg_ParseTuple(tuple, "LnO!O&O&O&O&O&O&O&O&O&O&O&O&", &first, &pieces, &PyTuple_Type,
                          &kinds, take_bytes, &columns->accepted_at, take_bytes, &columns->leaves,
                          take_bytes, &columns->codes, take_bytes, &columns->times, take_bytes,
                          &columns->sha256, take_bytes, &columns->sm3, take_bytes,
                          &columns->starts, take_bytes, &columns->tails, take_bytes,
                          &columns->salts, take_bytes, &columns->sizes, take_bytes,
                          &columns->names.column, take_bytes, &columns->records.column) ||
        !take_kinds(kinds, columns))
        return 0;
    columns->first = (uint64_t)first;
    columns->pieces = (size_t)pieces;
    if (first < 0 || pieces < 0 || columns_check(columns) < 0) {
        PyErr_SetString(PyExc_ValueError, "the columns do not fit each other");
        return 0;
    }
    return 1;
}

static PyObject *make_records(PyObject *Py_UNUSED(module), PyObject *args)
{
    struct columns columns;
    PyObject *tuple, *records;
    uint8_t *room;

    if (!PyArg_ParseTuple(args, "O!:make_records", &PyTuple_Type, &tuple) ||
        !take_columns(tuple, &columns))
        return NULL;
    room = malloc(RECORD_ROOM);
    if (room == NULL)
        return PyErr_NoMemory();
    records = PyList_New((Py_ssize_t)columns.pieces);
    for (size_t at = 0; records && at < columns.pieces; at++) {
        PyObject *record;
        if (columns.kinds[columns.codes.at[at]].flags & (KIND_MADE | KIND_KEPT)) {
            size_t size = columns_write_record(&columns, at, room);
            record = PyBytes_FromStringAndSize((char *)room, (Py_ssize_t)size);
        } else {
            record = Py_NewRef(Py_None);
        }
        if (record == NULL || PyList_SetItem(records, (Py_ssize_t)at, record) < 0)
            Py_CLEAR(records);
    }
    free(room);
    return records;
}

static PyObject *find_false_leaves(PyObject *Py_UNUSED(module), PyObject *args)
{
    const struct sha256_implementation *implementation;
    struct columns columns;
    uint8_t false_leaves[COLUMNS_MOST_PIECES];
    const char *name = NULL;
    PyObject *tuple, *places;
    int failed;

    if (!PyArg_ParseTuple(args, "O!|z:find_false_leaves", &PyTuple_Type, &tuple, &name) ||
        !take_columns(tuple, &columns))
        return NULL;
    implementation = find_implementation(name);
    if (implementation == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = columns_find_false_leaves(&columns, implementation, false_leaves);
    Py_END_ALLOW_THREADS
    if (failed)
        return PyErr_NoMemory();
    places = PyList_New(0);
    for (size_t at = 0; places && at < columns.pieces; at++) {
        PyObject *place;
        if (!false_leaves[at])
            continue;
        place = PyLong_FromSize_t(at);
        if (place == NULL || PyList_Append(places, place) < 0)
            Py_CLEAR(places);
        Py_XDECREF(place);
    }
    return places;
}

/* Return room for an entry of `size` bytes of each piece, or NULL with an error set. */
static PyObject *make_entries(const struct columns *columns, size_t size)
{
    if ((columns->first + columns->pieces) >> (8 * ENTRY_NUMBER)) {
        PyErr_SetString(PyExc_OverflowError, "the index is too large");
        return NULL;
    }
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(columns->pieces * size));
}

/* Return the first `size` bytes, and give up the object that has them. */
static PyObject *cut_entries(PyObject *all, size_t size)
{
    PyObject *entries = all;

    if (size != (size_t)PyBytes_Size(all)) {
        entries = PyBytes_FromStringAndSize(PyBytes_AsString(all), (Py_ssize_t)size);
        Py_DECREF(all);
    }
    return entries;
}

static PyObject *list_entries(PyObject *Py_UNUSED(module), PyObject *args)
{
    struct columns columns;
    PyObject *tuple, *all;

    if (!PyArg_ParseTuple(args, "O!:list_entries", &PyTuple_Type, &tuple) ||
        !take_columns(tuple, &columns))
        return NULL;
    all = make_entries(&columns, ENTRY_SIZE);
    if (all == NULL)
        return NULL;
    return cut_entries(
        all, ENTRY_SIZE * columns_write_entries(&columns, (uint8_t *)PyBytes_AsString(all)));
}

static PyObject *list_record_entries(PyObject *Py_UNUSED(module), PyObject *args)
{
    const struct sha256_implementation *implementation;
    struct columns columns;
    const char *name = NULL;
    PyObject *tuple, *all;
    Py_ssize_t key;
    uint8_t *out;
    size_t count;
    int failed;

    if (!PyArg_ParseTuple(args, "O!n|z:list_record_entries", &PyTuple_Type, &tuple, &key, &name) ||
        !take_columns(tuple, &columns))
        return NULL;
    implementation = find_implementation(name);
    if (implementation == NULL)
        return NULL;
    if (key < 1 || key > SHA256_SIZE) {
        PyErr_SetString(PyExc_ValueError, "a key has 1 to 32 bytes");
        return NULL;
    }
    all = make_entries(&columns, (size_t)key + ENTRY_NUMBER);
    if (all == NULL)
        return NULL;
    out = (uint8_t *)PyBytes_AsString(all);
    Py_BEGIN_ALLOW_THREADS
    failed = columns_write_record_entries(&columns, implementation, (size_t)key, out, &count);
    Py_END_ALLOW_THREADS
    if (failed) {
        Py_DECREF(all);
        return PyErr_NoMemory();
    }
    return cut_entries(all, count * ((size_t)key + ENTRY_NUMBER));
}

static PyObject *list_identities(PyObject *Py_UNUSED(module), PyObject *args)
{
    uint8_t room[COLUMNS_MOST_PIECES * 2 * SHA256_SIZE];
    struct columns columns;
    PyObject *tuple;
    int with_leaves;

    if (!PyArg_ParseTuple(args, "O!p:list_identities", &PyTuple_Type, &tuple, &with_leaves) ||
        !take_columns(tuple, &columns))
        return NULL;
    return PyBytes_FromStringAndSize(
        (char *)room, (Py_ssize_t)columns_write_identities(&columns, with_leaves, room));
}

static PyObject *complete_run(PyObject *Py_UNUSED(module), PyObject *args)
{
    const struct sha256_implementation *implementation;
    struct columns columns;
    struct slice unique;
    const char *name = NULL;
    PyObject *tuple, *leaves, *tails, *completed = NULL;
    size_t total;

    if (!PyArg_ParseTuple(args, "O!O&|z:complete_run", &PyTuple_Type, &tuple, take_bytes, &unique,
                          &name) ||
        !take_columns(tuple, &columns))
        return NULL;
    implementation = find_implementation(name);
    if (implementation == NULL)
        return NULL;
    leaves = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)columns.pieces * SHA256_SIZE);
    tails = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)columns.pieces * (SHA256_SIZE / 2));
    if (leaves && tails) {
        uint8_t *out = (uint8_t *)PyBytes_AsString(leaves);
        uint8_t *halves = (uint8_t *)PyBytes_AsString(tails);
        Py_BEGIN_ALLOW_THREADS
        total = columns_complete(&columns, implementation, unique, out, halves);
        Py_END_ALLOW_THREADS
        completed = total ? Py_BuildValue("OOn", leaves, tails, (Py_ssize_t)total)
                          : Py_NewRef(Py_None);
    }
    Py_XDECREF(leaves);
    Py_XDECREF(tails);
    return completed;
}

static PyObject *split_record(PyObject *Py_UNUSED(module), PyObject *args)
{
    struct slice record, sha256, sm3, recorded_at;
    struct record_parts parts;
    PyObject *size;

    if (!PyArg_ParseTuple(args, "O&O&O&O&:split_record", take_bytes, &record, take_bytes, &sha256,
                          take_bytes, &sm3, take_bytes, &recorded_at))
        return NULL;
    if (record.at == NULL || recorded_at.at == NULL || (sha256.at && sha256.size != SHA256_SIZE) ||
        (sm3.at && sm3.size != SHA256_SIZE) ||
        record_split(record, sha256.at, sm3.at, recorded_at, &parts) < 0)
        Py_RETURN_NONE;
    size = parts.size < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(parts.size);
    return Py_BuildValue("y#s#y#y#NO", (char *)parts.middle.at, (Py_ssize_t)parts.middle.size,
                         (char *)parts.name.at, (Py_ssize_t)parts.name.size,
                         (char *)parts.joint.at, (Py_ssize_t)parts.joint.size, (char *)parts.salt,
                         (Py_ssize_t)sizeof parts.salt, size,
                         parts.is_named_by_digest ? Py_True : Py_False);
}

PyMethodDef columns_methods[] = {
    {"make_records", make_records, METH_VARARGS,
     "make_records(columns)\n--\n\n"
     "Return the record of each piece; None if it has none, b\"\" if the columns make none."},
    {"find_false_leaves", find_false_leaves, METH_VARARGS,
     "find_false_leaves(columns, implementation=None)\n--\n\n"
     "Return the places of the pieces whose record does not hash to their leaf."},
    {"list_entries", list_entries, METH_VARARGS,
     "list_entries(columns)\n--\n\n"
     "Return identity and index, six bytes, of each piece that is not erased."},
    {"list_record_entries", list_record_entries, METH_VARARGS,
     "list_record_entries(columns, key_size, implementation=None)\n--\n\n"
     "Return the first bytes of the SHA-256 and the index, six bytes, of each record."},
    {"list_identities", list_identities, METH_VARARGS,
     "list_identities(columns, with_leaves)\n--\n\n"
     "Return the identity of each piece that is not erased, after its leaf if asked for."},
    {"complete_run", complete_run, METH_VARARGS,
     "complete_run(columns, unique, implementation=None)\n--\n\n"
     "Return leaves, second halves of identities and the length of all records, or None."},
    {"split_record", split_record, METH_VARARGS,
     "split_record(record, sha256, sm3, recorded_at)\n--\n\n"
     "Return middle, name, joint, salt, size and whether the name is the digest, or None."},
    {NULL, NULL, 0, NULL},
};
