/* The Python module anchor._sha256: sha256_rows.c over anything with a buffer.
 *
 * Stable ABI of Python 3.11.  anchor/_sha256.pyi has the signatures, anchor/log/batch_sha256.py the same
 * functions without this module. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "sha256_rows.h"

#define PAIR ((Py_ssize_t)2 * SHA256_SIZE)

/* A level is at most half as long as the one below, and the lowest has less than 2^63 bytes. */
#define MAX_LEVELS 64

/* What takes longer than this many pairs, about a microsecond, is done without the GIL. */
#define FEW 32


static const struct sha256_implementation *find_implementation(const char *name)
{
    const struct sha256_implementation *each = sha256_implementations;

    for (; each->name; each++)
        if (each->usable() && (name == NULL || strcmp(name, each->name) == 0))
            return each;
    PyErr_Format(PyExc_ValueError, "no implementation \"%s\" on this processor", name);
    return NULL;
}

static PyObject *hash_rows(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"prefix", "rows", "width", "implementation", NULL};
    const struct sha256_implementation *implementation;
    unsigned char prefix;
    Py_buffer rows;
    Py_ssize_t width, count;
    const char *name = NULL;
    PyObject *digests = NULL;
    uint8_t *out;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "by*n|z:hash_rows", names, &prefix, &rows,
                                     &width, &name))
        return NULL;
    implementation = find_implementation(name);
    if (implementation == NULL)
        goto done;
    if (width < 1) {
        PyErr_SetString(PyExc_ValueError, "a row has at least one byte");
        goto done;
    }
    if (rows.len % width) {
        PyErr_Format(PyExc_ValueError, "%zd bytes are no whole number of rows of %zd", rows.len,
                     width);
        goto done;
    }
    count = rows.len / width;
    if (count > PY_SSIZE_T_MAX / SHA256_SIZE) {
        PyErr_SetString(PyExc_OverflowError, "too many rows");
        goto done;
    }
    digests = PyBytes_FromStringAndSize(NULL, count * SHA256_SIZE);
    if (digests == NULL)
        goto done;
    out = (uint8_t *)PyBytes_AsString(digests);
    if (count < FEW && rows.len < FEW * PAIR) {
        sha256_rows(implementation, prefix, rows.buf, (size_t)count, (size_t)width, out);
    } else {
        Py_BEGIN_ALLOW_THREADS
        sha256_rows(implementation, prefix, rows.buf, (size_t)count, (size_t)width, out);
        Py_END_ALLOW_THREADS
    }
done:
    PyBuffer_Release(&rows);
    return digests;
}

/* Fill levels[0], levels[1] ... each from the one below, the first from `nodes`. */
static void fill_levels(const struct sha256_implementation *implementation, const uint8_t *nodes,
                        size_t count, uint8_t *const *levels, Py_ssize_t height)
{
    for (Py_ssize_t i = 0; i < height; i++) {
        count /= 2;
        sha256_rows(implementation, 1, nodes, count, PAIR, levels[i]);
        nodes = levels[i];
    }
}

static PyObject *hash_levels(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"level", "count", "implementation", NULL};
    const struct sha256_implementation *implementation;
    Py_buffer level;
    Py_ssize_t count, height = 0;
    const char *name = NULL;
    uint8_t *out[MAX_LEVELS];
    PyObject *levels = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y*n|z:hash_levels", names, &level, &count,
                                     &name))
        return NULL;
    implementation = find_implementation(name);
    if (implementation == NULL)
        goto done;
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "no fewer than no levels");
        goto done;
    }
    if (level.len % SHA256_SIZE) {
        PyErr_SetString(PyExc_ValueError, "hashes are 32 bytes each");
        goto done;
    }
    levels = PyList_New(0);
    if (levels == NULL)
        goto done;
    for (Py_ssize_t pairs = level.len / PAIR; pairs && height < count; pairs /= 2) {
        PyObject *next = PyBytes_FromStringAndSize(NULL, pairs * SHA256_SIZE);
        if (next == NULL || PyList_Append(levels, next) < 0) {
            Py_XDECREF(next);
            Py_CLEAR(levels);
            goto done;
        }
        out[height++] = (uint8_t *)PyBytes_AsString(next);
        Py_DECREF(next); /* the list, which nobody else has yet, keeps it */
    }
    if (level.len < FEW * PAIR) {
        fill_levels(implementation, level.buf, (size_t)(level.len / SHA256_SIZE), out, height);
    } else {
        Py_BEGIN_ALLOW_THREADS
        fill_levels(implementation, level.buf, (size_t)(level.len / SHA256_SIZE), out, height);
        Py_END_ALLOW_THREADS
    }
done:
    PyBuffer_Release(&level);
    return levels;
}

static int set_implementations(PyObject *module)
{
    PyObject *names = PyList_New(0), *tuple = NULL;
    int failed = -1;

    for (const struct sha256_implementation *each = sha256_implementations; names && each->name;
         each++) {
        PyObject *name;
        if (!each->usable())
            continue;
        name = PyUnicode_FromString(each->name);
        if (name == NULL || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    if (names)
        tuple = PyList_AsTuple(names);
    if (tuple)
        failed = PyModule_AddObjectRef(module, "IMPLEMENTATIONS", tuple);
    Py_XDECREF(tuple);
    Py_XDECREF(names);
    return failed;
}

static int execute(PyObject *module)
{
    sha256_prepare();
    return set_implementations(module);
}

static PyMethodDef methods[] = {
    {"hash_rows", (PyCFunction)(void (*)(void))hash_rows, METH_VARARGS | METH_KEYWORDS,
     "hash_rows(prefix, rows, width, implementation=None)\n--\n\n"
     "Hash each row of `width` bytes, after the prefix byte; return the hashes back to back."},
    {"hash_levels", (PyCFunction)(void (*)(void))hash_levels, METH_VARARGS | METH_KEYWORDS,
     "hash_levels(level, count, implementation=None)\n--\n\n"
     "Return up to `count` levels of a Merkle tree above a row of hashes."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "anchor._sha256",
    .m_doc = "SHA-256 over many short rows of one length.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__sha256(void)
{
    return PyModuleDef_Init(&definition);
}
