/*
 * tests/host/harness.c - main() of every host test, and what the kernel's files need from the kernel.
 */
#include <string.h>
#include "tests/host/harness.h"
#include "kernel/lib/bug.h"
#include "kernel/lib/xarray.h"
#include "mm/slab.h"

static struct htest *tests, **tests_end = &tests;
static int failures;		/* of the present test */
static u64 seed = 1;

long live_blocks;
long allocs_left = -1;

void htest_register(struct htest *t)
{
	*tests_end = t;
	tests_end = &t->next;
}

void expect_failed(const char *file, int line, const char *what, long long a, long long b)
{
	if (failures++ < 5)
		printf("# %s:%d: expected %s (%lld, %lld)\n", file, line, what, a, b);
}

/* splitmix64: any seed is good. */
u64 rnd(void)
{
	u64 z = seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void *kmalloc(size_t size, gfp_t gfp)
{
	if (!allocs_left)
		return NULL;
	if (allocs_left > 0)
		allocs_left--;
	live_blocks++;
	return malloc(size);
}

void kfree(const void *p)
{
	live_blocks -= p != NULL;
	free((void *)p);
}

static void *node_alloc(size_t size)
{
	void *node = kmalloc(size, GFP_ATOMIC);

	return node ? memset(node, 0, size) : NULL;
}

static void node_free(void *node)
{
	kfree(node);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}

void warn_report(const char *file, int line, const char *what)
{
	panic("%s:%d: warning: %s\n", file, line, what);
}

void assert_failed(const char *rule, const char *file, int line, const char *a, const char *op, const char *b,
		   long va, long vb)
{
	panic("BUG %s %s:%d: %s=%ld %s %s=%ld\n", rule, file, line, a, va, op, b, vb);
}

int main(void)
{
	const char *wanted_seed = getenv("HOST_SEED");
	int n = 0, failed = 0;

	if (wanted_seed)
		seed = strtoull(wanted_seed, NULL, 0);
	xa_node_alloc = node_alloc;
	xa_node_free = node_free;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct htest *t = tests; t; t = t->next)
		n++;
	printf("KTAP version 1\n# seed %llu\n1..%d\n", (unsigned long long)seed, n);
	n = 0;
	for (struct htest *t = tests; t; t = t->next) {
		failures = 0;
		t->run();
		printf("%s %d %s\n", failures ? "not ok" : "ok", ++n, t->name);
		failed += failures != 0;
	}
	return failed != 0;
}
