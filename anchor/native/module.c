/* The Python module anchor._sha256: sha256_blocks.c over anything with a buffer, and the functions of
 * columns_methods.c.
 *
 * Stable ABI of Python 3.11.  anchor/_sha256.pyi has the signatures, anchor/log/batch_sha256.py the same
 * functions without this module. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "bulk_lines_methods.h"
#include "columns_methods.h"
#include "fingerprints_methods.h"
#include "sha256_blocks.h"

#define PAIR ((Py_ssize_t)2 * SHA256_SIZE)

/* A level is at most half as long as the one below, and the lowest has less than 2^63 bytes. */
#define MAX_LEVELS 64

/* What takes longer than this many pairs, about a microsecond, is done without the GIL. */
#define FEW 32

/* From this size on, glibc maps each piece of memory for itself (DEFAULT_MMAP_THRESHOLD_MAX). */
#define LARGE ((Py_ssize_t)32 << 20)

#define HUGE_PAGE ((uintptr_t)2 << 20)

/* Return a bytes object to write to.  Large ones are in huge pages if there are any: otherwise the
 * system needs a quarter of the time of the hashing to hand them out in pages of 4 KiB. */
static PyObject *new_bytes(Py_ssize_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);

#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes && size >= LARGE) {
        uintptr_t start = (uintptr_t)PyBytes_AsString(bytes), end = start + (uintptr_t)size;
        start = (start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
        end &= ~(HUGE_PAGE - 1);
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE); /* a wish */
    }
#endif
    return bytes;
}

const struct sha256_implementation *find_implementation(const char *name)
{
    const struct sha256_implementation *each = sha256_implementations;

    for (; each->name; each++)
        if (each->usable() && (name == NULL || strcmp(name, each->name) == 0))
            return each;
    PyErr_Format(PyExc_ValueError, "no implementation \"%s\" on this processor", name);
    return NULL;
}

/* Set `cut` from the arguments of a call. */
static int make_cut(struct sha256_cut *cut, Py_ssize_t threads, Py_ssize_t block_height)
{
    if (threads < 1) {
        PyErr_SetString(PyExc_ValueError, "at least one thread hashes");
        return -1;
    }
    if (block_height < 1 || block_height > SHA256_MAX_BLOCK_HEIGHT) {
        PyErr_Format(PyExc_ValueError, "a block is 1 to %d levels high", SHA256_MAX_BLOCK_HEIGHT);
        return -1;
    }
    cut->threads = (size_t)threads;
    cut->height = (unsigned)block_height;
    return 0;
}

static PyObject *hash_rows(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"prefix",  "rows",         "width", "implementation",
                            "threads", "block_height", NULL};
    const struct sha256_implementation *implementation;
    unsigned char prefix;
    Py_buffer rows;
    Py_ssize_t width, count, threads = 1, block_height = SHA256_BLOCK_HEIGHT;
    struct sha256_cut cut;
    const char *name = NULL;
    PyObject *digests = NULL;
    uint8_t *out;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "by*n|znn:hash_rows", names, &prefix, &rows,
                                     &width, &name, &threads, &block_height))
        return NULL;
    implementation = find_implementation(name);
    if (implementation == NULL || make_cut(&cut, threads, block_height) < 0)
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
    digests = new_bytes(count * SHA256_SIZE);
    if (digests == NULL)
        goto done;
    out = (uint8_t *)PyBytes_AsString(digests);
    if (count < FEW && rows.len < FEW * PAIR) {
        sha256_rows(implementation, prefix, rows.buf, (size_t)count, (size_t)width, out);
    } else {
        Py_BEGIN_ALLOW_THREADS
        sha256_rows_cut(implementation, cut, prefix, rows.buf, (size_t)count, (size_t)width, out);
        Py_END_ALLOW_THREADS
    }
done:
    PyBuffer_Release(&rows);
    return digests;
}

static PyObject *hash_levels(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"level", "count", "implementation", "threads", "block_height", NULL};
    const struct sha256_implementation *implementation;
    Py_buffer level;
    Py_ssize_t count, threads = 1, block_height = SHA256_BLOCK_HEIGHT, height = 0;
    struct sha256_cut cut;
    const char *name = NULL;
    uint8_t *out[MAX_LEVELS];
    PyObject *levels = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y*n|znn:hash_levels", names, &level, &count,
                                     &name, &threads, &block_height))
        return NULL;
    implementation = find_implementation(name);
    if (implementation == NULL || make_cut(&cut, threads, block_height) < 0)
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
        PyObject *next = new_bytes(pairs * SHA256_SIZE);
        if (next == NULL || PyList_Append(levels, next) < 0) {
            Py_XDECREF(next);
            Py_CLEAR(levels);
            goto done;
        }
        out[height++] = (uint8_t *)PyBytes_AsString(next);
        Py_DECREF(next); /* the list, which nobody else has yet, keeps it */
    }
    if (level.len < FEW * PAIR) {
        sha256_levels(implementation, cut, level.buf, (size_t)(level.len / SHA256_SIZE), out,
                      (size_t)height);
    } else {
        Py_BEGIN_ALLOW_THREADS
        sha256_levels(implementation, cut, level.buf, (size_t)(level.len / SHA256_SIZE), out,
                      (size_t)height);
        Py_END_ALLOW_THREADS
    }
done:
    PyBuffer_Release(&level);
    return levels;
}

static PyObject *hash_subtrees(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"level", "height", "implementation", "threads", "block_height", NULL};
    const struct sha256_implementation *implementation;
    struct sha256_cut cut;
    Py_buffer level;
    Py_ssize_t height, threads = 1, block_height = SHA256_BLOCK_HEIGHT;
    const char *name = NULL;
    PyObject *roots = NULL;
    uint8_t *out;
    size_t count;
    int failed;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y*n|znn:hash_subtrees", names, &level,
                                     &height, &name, &threads, &block_height))
        return NULL;
    implementation = find_implementation(name);
    if (implementation == NULL || make_cut(&cut, threads, block_height) < 0)
        goto done;
    if (height < 1 || height > SHA256_BLOCK_HEIGHT) {
        PyErr_Format(PyExc_ValueError, "a subtree is 1 to %d levels high", SHA256_BLOCK_HEIGHT);
        goto done;
    }
    if (level.len % SHA256_SIZE) {
        PyErr_SetString(PyExc_ValueError, "hashes are 32 bytes each");
        goto done;
    }
    if (cut.height < (unsigned)height)
        cut.height = (unsigned)height;
    count = (size_t)(level.len / SHA256_SIZE);
    roots = new_bytes((Py_ssize_t)(count >> height) * SHA256_SIZE);
    if (roots == NULL)
        goto done;
    out = (uint8_t *)PyBytes_AsString(roots);
    Py_BEGIN_ALLOW_THREADS
    failed = sha256_subtrees(implementation, cut, level.buf, count, (unsigned)height, out);
    Py_END_ALLOW_THREADS
    if (failed) {
        Py_CLEAR(roots);
        PyErr_NoMemory();
    }
done:
    PyBuffer_Release(&level);
    return roots;
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
    if (PyModule_AddFunctions(module, fingerprints_methods) < 0)
        return -1;
    if (PyModule_AddFunctions(module, columns_methods) < 0)
        return -1;
    if (PyModule_AddFunctions(module, bulk_lines_methods) < 0)
        return -1;
    return set_implementations(module);
}

static PyMethodDef methods[] = {
    {"hash_rows", (PyCFunction)(void (*)(void))hash_rows, METH_VARARGS | METH_KEYWORDS,
     "hash_rows(prefix, rows, width, implementation=None, threads=1, block_height=12)\n--\n\n"
     "Hash each row of `width` bytes, after the prefix byte; return the hashes back to back."},
    {"hash_levels", (PyCFunction)(void (*)(void))hash_levels, METH_VARARGS | METH_KEYWORDS,
     "hash_levels(level, count, implementation=None, threads=1, block_height=12)\n--\n\n"
     "Return up to `count` levels of a Merkle tree above a row of hashes."},
    {"hash_subtrees", (PyCFunction)(void (*)(void))hash_subtrees, METH_VARARGS | METH_KEYWORDS,
     "hash_subtrees(level, height, implementation=None, threads=1, block_height=12)\n--\n\n"
     "Return the roots of the complete subtrees of 2^height hashes, back to back."},
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
