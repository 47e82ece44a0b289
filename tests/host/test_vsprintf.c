/*
 * tests/host/test_vsprintf.c - the kernel's printf against the C library's, for random formats.
 */
#include <string.h>
#include "tests/host/harness.h"

/* The kernel's functions; host.mk renames those that the C library has too. */
int quire_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int quire_snprintf(char *buf, size_t size, const char *fmt, ...);
int scnprintf(char *buf, size_t size, const char *fmt, ...);

#define BUF 200

/* Format with both into buffers of SIZE bytes; compare text, result and the bytes behind. */
static void both(size_t size, const char *fmt, ...)
{
	char ours[BUF], theirs[BUF];
	va_list ap, again;
	int a, b;

	memset(ours, '~', BUF);
	memset(theirs, '~', BUF);
	va_start(ap, fmt);
	va_copy(again, ap);
	a = quire_vsnprintf(ours, size, fmt, ap);
	b = vsnprintf(theirs, size, fmt, again);
	va_end(again);
	va_end(ap);
	EXPECT_EQ(a, b);
	EXPECT(!memcmp(ours, theirs, size));
	for (size_t i = size; i < BUF; i++)
		EXPECT_EQ(ours[i], '~');
	if (size && memcmp(ours, theirs, size))
		printf("# \"%s\": \"%s\", not \"%s\"\n", fmt, ours, theirs);
}

static char *add_flags(char *at, const char *flags)
{
	for (; *flags; flags++)
		if (rnd_below(3) == 0)
			*at++ = *flags;
	return at;
}

static char *add_number(char *at, const char *before)
{
	return rnd_below(2) ? at : at + sprintf(at, "%s%d", before, (int)rnd_below(30));
}

HTEST(vsnprintf_integers_as_libc)
{
	static const char *const lengths[] = { "", "h", "hh", "l", "ll", "z", "t", "j" };
	static const char *const flags[] = { "-0+ ", "-0", "-0#", "-0#", "-0#" };
	char fmt[80], *at;

	for (int n = 0; n < 200000; n++) {
		int conv = rnd_below(5);
		u64 value = rnd_below(5) ? rnd() >> rnd_below(64) : -rnd_below(3);

		at = fmt + sprintf(fmt, "<%%");
		at = add_flags(at, flags[conv]);
		at = add_number(at, "");
		at = add_number(at, ".");
		sprintf(at, "%s%c>", lengths[rnd_below(8)], "duxXo"[conv]);
		both(rnd_below(60), fmt, value);
	}
}

HTEST(vsnprintf_strings_as_libc)
{
	char fmt[80], *at;
	const char word[6] = { 'q', 'u', 'i', 'r', 'e', 0 };

	for (int n = 0; n < 20000; n++) {
		at = fmt + sprintf(fmt, "ab%%%%%%");
		at = add_flags(at, "-");
		at = add_number(at, "");
		at = add_number(at, ".");
		sprintf(at, "s|");
		both(rnd_below(50), fmt, word);
		both(rnd_below(20), "%-*c%*.*s", (int)rnd_below(9) - 4, 'x', (int)rnd_below(19) - 9,
		     (int)rnd_below(9) - 2, word);
	}
}

HTEST(vsnprintf_corner_cases)
{
	char buf[64];
	const char open_end[3] = { 'a', 'b', 'c' };	/* no NUL: precision must stop the reading */

	both(64, "%s %d%%", "(null)", 5);
	both(64, "%.3s", open_end);
	both(64, "%ld %ld", INT64_MIN, INT64_MAX);
	both(0, "%d", 1);
	both(1, "%d", 1);
	EXPECT_EQ(quire_snprintf(NULL, 0, "%d", 1234), 4);
	EXPECT_EQ(quire_snprintf(buf, 64, "%s", (char *)NULL), 6);
	EXPECT(!strcmp(buf, "(null)"));
	EXPECT_EQ(quire_snprintf(buf, 64, "%p", (void *)0xffff800000001000), 16);
	EXPECT(!strcmp(buf, "ffff800000001000"));
	quire_snprintf(buf, 64, "%k %d %", 7);
	EXPECT(!strcmp(buf, "%k 7 %"));
	EXPECT_EQ(scnprintf(buf, 4, "%d", 123456), 3);
	EXPECT_EQ(scnprintf(buf, 0, "%d", 123456), 0);
	EXPECT_EQ(scnprintf(buf, 64, "%d", 123456), 6);
}
