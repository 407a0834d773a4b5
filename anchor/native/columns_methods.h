/* The functions of anchor._sha256 that work on the columns of runs. */
#ifndef ANCHOR_COLUMNS_METHODS_H
#define ANCHOR_COLUMNS_METHODS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "sha256_rows.h"

extern PyMethodDef columns_methods[];

/* Return the implementation with a name, or for NULL the best one; NULL with an error set if there
 * is none.  In module.c. */
const struct sha256_implementation *find_implementation(const char *name);

#endif
