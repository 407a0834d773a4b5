/* The functions of anchor._sha256 that read and answer bulk submissions. */
#ifndef ANCHOR_BULK_LINES_METHODS_H
#define ANCHOR_BULK_LINES_METHODS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

extern PyMethodDef bulk_lines_methods[];

#endif
