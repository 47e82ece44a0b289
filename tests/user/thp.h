/*
 * tests/user/thp.h - what the tests of large folios share: the knobs and counters under /sys, aligned memory,
 * the size of the folio at an address, the pause, fail and force controls.
 *
 * A case sets the knobs that it needs (thp_only), for advised memory only, so that nothing but its own mappings
 * is affected; the last case of a program sets the defaults again (thp_defaults).
 */
#ifndef TESTS_USER_THP_H
#define TESTS_USER_THP_H

#include "tests/user/pages.h"
#include <stdarg.h>
#include <sys/prctl.h>

#define THP_DIR		"/sys/kernel/mm/transparent_hugepage"
#define QUIRE_DIR	"/sys/kernel/debug/quire"
#define HUGE		(2ul << 20)
#define KB		1024ul
#define ADVISE_HUGE	14		/* MADV_HUGEPAGE */
#define ADVISE_NOHUGE	15		/* MADV_NOHUGEPAGE */
#ifndef KPF_COMPOUND_HEAD
#define KPF_COMPOUND_HEAD 15
#define KPF_COMPOUND_TAIL 16
#endif

static inline __attribute__((format(printf, 1, 2))) const char *thp_text(const char *format, ...)
{
	static char text[8][160];
	static int next;
	char *t = text[next++ % 8];
	va_list ap;
	va_start(ap, format);
	vsnprintf(t, sizeof(text[0]), format, ap);
	va_end(ap);
	return t;
}

/* ---- Knobs and counters ---- */

static inline bool thp_has_size(int kb)
{
	return access(thp_text(THP_DIR "/hugepages-%dkB/enabled", kb), F_OK) == 0;
}
/* SKIP where huge pages, or folios of other sizes (Linux before 6.8), are not built in. */
static inline void thp_need(void) { if (access(THP_DIR "/enabled", F_OK)) SKIP("no transparent huge pages"); }
static inline void thp_need_sizes(void) { if (!thp_has_size(64)) SKIP("no large folios of other sizes"); }
static inline void thp_knob(const char *file, const char *word)
{
	EXPECT_EQ(ktap_write(thp_text(THP_DIR "/%s", file), word), 0);
}
static inline void thp_size(int kb, const char *word)
{
	if (thp_has_size(kb))
		thp_knob(thp_text("hugepages-%dkB/enabled", kb), word);
	else if (kb == 2048)
		thp_knob("enabled", strcmp(word, "inherit") ? word : "always");
}
/* Only the sizes given (in kB, 0 ends them), in memory with MADV_HUGEPAGE; the others never. */
static inline void thp_only(int first, ...)
{
	va_list ap;
	thp_knob("enabled", "never");
	for (int kb = 16; kb <= 2048; kb *= 2)
		thp_size(kb, "never");
	va_start(ap, first);
	for (int kb = first; kb; kb = va_arg(ap, int))
		thp_size(kb, "madvise");
	va_end(ap);
}
static inline void thp_defaults(void)
{
	for (int kb = 16; kb <= 2048; kb *= 2)
		thp_size(kb, kb == 2048 ? "inherit" : "never");
	thp_knob("enabled", "always");
	thp_knob("defrag", "madvise");
	thp_knob("use_zero_page", "1");
}
static inline long thp_stat(int kb, const char *name)
{
	char *text = ktap_read(thp_text(THP_DIR "/hugepages-%dkB/stats/%s", kb, name));
	return text ? strtol(text, NULL, 10) : -1;
}

/* ---- Memory ---- */

/* N bytes of advised memory SKEW bytes after a multiple of ALIGN, a mapping of its own, holes around it. */
static inline char *thp_anon_at(size_t n, size_t align, size_t skew)
{
	size_t room = n + 2 * align + 2 * PAGE;
	char *p = OK(mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	char *at = (char *)(((uintptr_t)p + PAGE + align - 1) / align * align) + skew;
	OK(munmap(p, at - p));
	OK(munmap(at + n, p + room - at - n));
	OK(mprotect(at, n, PROT_READ | PROT_WRITE));
	OK(madvise(at, n, ADVISE_HUGE));
	return at;
}
static inline char *thp_anon(size_t n) { return thp_anon_at(n, HUGE, 0); }

/* Pages of the folio that P lies in: 1 for an ordinary page, 0 if nothing is mapped there. */
static inline int folio_pages(const volatile void *p)
{
	uint64_t head = pfn_of(p), end;
	if (!head)
		return 0;
	while (kpageflags(head) >> KPF_COMPOUND_TAIL & 1)
		head--;
	if (!(kpageflags(head) >> KPF_COMPOUND_HEAD & 1))
		return 1;
	for (end = head + 1; kpageflags(end) >> KPF_COMPOUND_TAIL & 1; end++)
		;
	return (int)(end - head);
}
static inline int pages_present(const volatile char *p, size_t n)
{
	int present = 0;
	for (size_t i = 0; i < n; i += PAGE)
		present += is_present(p + i);
	return present;
}
/* The frames of N pages from P on are neighbours, too. */
static inline bool contiguous(const volatile char *p, int n)
{
	uint64_t first = pfn_of(p);
	for (int i = 1; i < n; i++)
		if (pfn_of(p + i * PAGE) != first + i)
			return false;
	return first != 0;
}
static inline long thread_faults(void)
{
	struct rusage r;
	getrusage(1 /* RUSAGE_THREAD */, &r);
	return r.ru_minflt;
}

/* ---- Quire's controls: pause, fail, force ---- */

static inline void control_need(const char *file)
{
	if (access(thp_text(QUIRE_DIR "/%s", file), F_OK))
		SKIP("needs Quire's controls");
}
static inline void control(const char *file, const char *words)
{
	int error = ktap_write(thp_text(QUIRE_DIR "/%s", file), words);
	if (error)
		KTAP_FAIL("# %s: \"%s\": %s", file, words, strerror(error));
}
/* How many threads wait at the pause point. */
static inline int parked(const char *point)
{
	char *text = ktap_read(QUIRE_DIR "/pause");
	char *line = text ? strstr(text, thp_text("\n%s ", point)) : NULL;
	char *field = line ? strstr(line, "parked=") : NULL;
	return field ? atoi(field + 7) : -1;
}

#endif
