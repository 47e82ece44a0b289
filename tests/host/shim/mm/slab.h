/*
 * tests/host/shim/mm/slab.h - kmalloc for host tests: malloc, with failures on demand (harness.c).
 */
#ifndef MM_SLAB_H
#define MM_SLAB_H

#include "kernel/lib/types.h"

#define GFP_KERNEL 0u
#define GFP_ATOMIC 1u

void *kmalloc(size_t size, gfp_t gfp);
void kfree(const void *p);

#endif
