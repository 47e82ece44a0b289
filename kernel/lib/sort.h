/*
 * kernel/lib/sort.h - sort an array in place.
 */
#ifndef KERNEL_LIB_SORT_H
#define KERNEL_LIB_SORT_H

#include "kernel/lib/types.h"

/*
 * Sort NUM elements of SIZE bytes at BASE so that CMP(a, b) <= 0 for neighbours. Heap sort: O(n log n)
 * always, no memory, no recursion, and not stable: equal elements may change places.
 */
void sort(void *base, size_t num, size_t size, int (*cmp)(const void *a, const void *b));

#endif
