/*
 * kernel/trace/control.h - two more of the controls under /sys/kernel/debug/quire: `variant`, historical rules kept
 * because they teach (SCOPE-6), and `force`, one-shot actions on a process's range.
 */
#ifndef KERNEL_TRACE_CONTROL_H
#define KERNEL_TRACE_CONTROL_H

#include "kernel/lib/compiler.h"
#include "kernel/lib/types.h"

struct mm_struct;
struct seq_file;

/* Which historical rule is in force; at most one at a time. X(enumerator, "text in the file"). */
#define VARIANT_LIST(X)						\
	X(VARIANT_NONE, "none")					\
	X(VARIANT_MAX_SUBPAGE, "max_subpage_mapcount")	/* COW-28, T-COW-4: reuse if no subpage is mapped twice, and move the anon_vma */ \
	X(VARIANT_MAPCOUNT_ONLY, "mapcount_only")	/* T-COW-9: reuse by mapcount alone, the vmsplice leak */ \
	X(VARIANT_V1_OWNERS, "v1_owners")		/* MMID-18..21 */			\
	X(VARIANT_OWNER_ALWAYS_SHARED, "owner_always_shared")	/* the owner query made constant, either way */ \
	X(VARIANT_OWNER_NEVER_SHARED, "owner_never_shared")				\
	X(VARIANT_VMA_POINTER_COMPARE, "vma_pointer_compare")	/* T-KHP-7: the VMA's address says that it is the same one */ \
	X(VARIANT_WRITE_LOCK_SWAPIN, "write_lock_swapin")	/* T-KHP-9: the mmap lock for writing while a disk is read */ \
	X(VARIANT_FIRST_PAGE_GUESS, "first_page_guess")		/* T-SHR-2: 6.10 to 6.14, KHP-12 */
#define __VARIANT_ENUM(e, t) e,
enum variant { VARIANT_LIST(__VARIANT_ENUM) NR_VARIANTS };
#undef __VARIANT_ENUM
#ifndef RELEASE
extern enum variant current_variant;
static inline bool variant_is(enum variant v) { return unlikely(READ_ONCE(current_variant) == v); }
#else
static inline bool variant_is(enum variant v) { return false; }
#endif

/*
 * A word of `force`: "WORD PID START END [ARG...]". FN does it and returns 0 or -errno; the error's name is what
 * reading the file shows, after any text FN printed to OUT (at most 4 KiB). MM is PID's, with a reference; no lock is
 * held; may sleep. Register with FORCE_WORD at file level.
 */
struct force_word {
	const char *name, *args;	/* args: what follows END, for the help text */
	int (*fn)(struct mm_struct *mm, unsigned long start, unsigned long end, char *args, struct seq_file *out);
};
#ifndef RELEASE
#define FORCE_WORD(n, a, f)									\
	static const struct force_word __force_##f __section(".force_words") __used __aligned(8) = { .name = (n), .args = (a), .fn = (f) }
#else
#define FORCE_WORD(n, a, f) static const struct force_word __force_##f __unused = { .fn = (f) }
#endif

#endif
