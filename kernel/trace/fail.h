/*
 * kernel/trace/fail.h - fault injection: make the Nth (or every) request at a named site fail
 * (/sys/kernel/debug/quire/fail).
 *
 *	if (fail_here("anon_folio", order)) return NULL;
 *
 * Each use defines a static object in section .fail_sites. ORDER filters allocations of one order (-1 in the control:
 * any). RELEASE: never fails.
 */
#ifndef KERNEL_TRACE_FAIL_H
#define KERNEL_TRACE_FAIL_H

#include "kernel/lib/compiler.h"
#include "kernel/lib/types.h"

#ifndef RELEASE
struct fail_site {
	const char *name;
	bool armed;
	int order;		/* -1: any */
	int pid;		/* 0: any thread group */
	long nth;		/* fail the Nth from now on, then disarm; 0: every one */
	long hits;		/* how many it made fail */
};
bool __fail_here(struct fail_site *s, int order);
#define fail_here(n, order) ({									\
	static struct fail_site __fs __section(".fail_sites") __used __aligned(8) = { .name = (n) };		\
	unlikely(READ_ONCE(__fs.armed)) && __fail_here(&__fs, (int)(order));			\
})
#else
#define fail_here(n, order) ((void)(order), false)
#endif

#endif
