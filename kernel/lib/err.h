/*
 * kernel/lib/err.h - an error number or a pointer in one word: values -4095..-1 are errors.
 */
#ifndef KERNEL_LIB_ERR_H
#define KERNEL_LIB_ERR_H

#include "kernel/lib/types.h"

#define MAX_ERRNO 4095
#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)

static inline void *ERR_PTR(long err)		{ return (void *)err; }
static inline long PTR_ERR(const void *p)	{ return (long)p; }
static inline bool IS_ERR(const void *p)	{ return IS_ERR_VALUE(p); }
static inline bool IS_ERR_OR_NULL(const void *p) { return !p || IS_ERR(p); }

#endif
