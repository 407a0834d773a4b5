/* The functions of anchor._sha256 that work on rows of fingerprints. */
#ifndef ANCHOR_FINGERPRINTS_METHODS_H
#define ANCHOR_FINGERPRINTS_METHODS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

extern PyMethodDef fingerprints_methods[];

#endif
