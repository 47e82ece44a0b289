/*
 * kernel/lib/bug.h - asserts that cite rules and print both sides.
 *
 *	KASSERT_GE(folio_ref_count(f), folio_mapcount(f), "FOL-8");
 *	-> BUG FOL-8 mm/rmap.c:211: folio_ref_count(f)=2 >= folio_mapcount(f)=3
 *
 * KASSERT* vanish in a RELEASE build (their arguments are not evaluated); BUG_ON and WARN_ON stay.
 * A failed KASSERT or BUG panics. WARN_ON logs with a backtrace, taints the run (tests fail) and goes on.
 */
#ifndef KERNEL_LIB_BUG_H
#define KERNEL_LIB_BUG_H

#include "kernel/lib/printk.h"

/* Print the message, registers and backtrace of this CPU, stop the others, and leave the machine (1.1). */
void panic(const char *fmt, ...) __printf(1, 2) __noreturn;
/*
 * The two halves of panic(), for a report of one's own in between (die()): the first stops the other CPUs
 * and breaks the log's lock; the second prints the message and the held locks and leaves the machine.
 */
void panic_begin(void);
void panic_end(const char *fmt, ...) __printf(1, 2) __noreturn;
extern unsigned long warn_count;	/* WARN_ONs so far */
/* Log with a backtrace and count a warning; reading quire/warnings shows how many there were. */
void warn_report(const char *file, int line, const char *what);
/* What a failed two-sided assert calls: prints both values and panics. */
void assert_failed(const char *rule, const char *file, int line, const char *a, const char *op, const char *b,
		   long va, long vb) __noreturn;

#define BUG()		panic("BUG at %s:%d", __FILE__, __LINE__)
#define BUG_ON(c)	do { if (unlikely(c)) panic("BUG_ON(%s) at %s:%d", #c, __FILE__, __LINE__); } while (0)
#define WARN_ON(c)	({ bool __w = !!(c); if (unlikely(__w)) warn_report(__FILE__, __LINE__, #c); unlikely(__w); })
#define WARN_ON_ONCE(c)	({ static bool __once; bool __w = !!(c);		\
	if (unlikely(__w) && !__once) { __once = true; warn_report(__FILE__, __LINE__, #c); } unlikely(__w); })

#ifndef RELEASE
#define KASSERT(c, rule) do {								\
	if (unlikely(!(c)))								\
		panic("BUG %s %s:%d: %s", rule, __FILE__, __LINE__, #c);		\
} while (0)
#define __KASSERT_OP(a, op, b, rule) do {						\
	long __a = (long)(a), __b = (long)(b);						\
	if (unlikely(!(__a op __b)))							\
		assert_failed(rule, __FILE__, __LINE__, #a, #op, #b, __a, __b);		\
} while (0)
#else
#define KASSERT(c, rule) do { (void)sizeof(c); } while (0)
#define __KASSERT_OP(a, op, b, rule) do { (void)sizeof(a); (void)sizeof(b); } while (0)
#endif
#define KASSERT_EQ(a, b, rule) __KASSERT_OP(a, ==, b, rule)
#define KASSERT_NE(a, b, rule) __KASSERT_OP(a, !=, b, rule)
#define KASSERT_GE(a, b, rule) __KASSERT_OP(a, >=, b, rule)
#define KASSERT_GT(a, b, rule) __KASSERT_OP(a, >, b, rule)
#define KASSERT_LE(a, b, rule) __KASSERT_OP(a, <=, b, rule)
#define KASSERT_LT(a, b, rule) __KASSERT_OP(a, <, b, rule)

#endif
