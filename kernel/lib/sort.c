/*
 * kernel/lib/sort.c - heap sort.
 *
 * First the array is made a heap: no parent (i) less than its children (2i + 1, 2i + 2). Then the largest,
 * at the front, changes places with the last of the heap, the heap gets shorter by one and is mended.
 * Chosen over quick sort because it has no bad inputs and needs no stack. Linux: lib/sort.c.
 */
#include "kernel/lib/sort.h"

static void exchange(char *a, char *b, size_t size)
{
	while (size--) {
		char t = *a;

		*a++ = *b;
		*b++ = t;
	}
}

/* Let element I sink until the heap of NUM elements is one again. */
static void sift_down(char *base, size_t i, size_t num, size_t size, int (*cmp)(const void *, const void *))
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= num)
			return;
		if (child + 1 < num && cmp(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (cmp(base + i * size, base + child * size) >= 0)
			return;
		exchange(base + i * size, base + child * size, size);
		i = child;
	}
}

void sort(void *base, size_t num, size_t size, int (*cmp)(const void *a, const void *b))
{
	for (size_t i = num / 2; i--; )
		sift_down(base, i, num, size, cmp);
	for (size_t left = num; left > 1; left--) {
		exchange(base, (char *)base + (left - 1) * size, size);
		sift_down(base, 0, left - 1, size, cmp);
	}
}
