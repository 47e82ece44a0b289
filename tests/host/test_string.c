/*
 * tests/host/test_string.c - memory and string functions of the kernel against the C library's, and the
 * number parsers against plain statements of what they accept.
 */
#include "tests/host/harness.h"
#include "kernel/lib/string.h"

#ifndef NO_KERNEL_STRING
/* The kernel's build of string.c, with k_ in front of each name (host.mk). */
void *k_memset(void *p, int c, size_t n);
void *k_memcpy(void *to, const void *from, size_t n);
void *k_memmove(void *to, const void *from, size_t n);
int k_memcmp(const void *a, const void *b, size_t n);
void *k_memchr(const void *p, int c, size_t n);
size_t k_strlen(const char *s);
size_t k_strnlen(const char *s, size_t max);
int k_strcmp(const char *a, const char *b);
int k_strncmp(const char *a, const char *b, size_t n);
char *k_strchr(const char *s, int c);
char *k_strrchr(const char *s, int c);
char *k_strstr(const char *hay, const char *needle);
char *k_strpbrk(const char *s, const char *accept);
size_t k_strspn(const char *s, const char *accept);
size_t k_strcspn(const char *s, const char *reject);

#define SPACE 160

static u8 ours[SPACE], theirs[SPACE];

static void fresh_bytes(void)
{
	for (int i = 0; i < SPACE; i++)
		ours[i] = theirs[i] = rnd();
}

HTEST(memory_functions_as_libc)
{
	for (int n = 0; n < 100000; n++) {
		size_t len = rnd_below(rnd_below(2) ? 20 : SPACE / 2);
		size_t to = rnd_below(SPACE - len), from = rnd_below(SPACE - len);

		fresh_bytes();
		EXPECT(k_memmove(ours + to, ours + from, len) == ours + to);
		memmove(theirs + to, theirs + from, len);
		EXPECT(!memcmp(ours, theirs, SPACE));

		EXPECT(k_memset(ours + to, n, len) == ours + to);
		memset(theirs + to, n, len);
		EXPECT(!memcmp(ours, theirs, SPACE));

		fresh_bytes();
		if (to + len <= from || from + len <= to) {
			EXPECT(k_memcpy(ours + to, ours + from, len) == ours + to);
			memcpy(theirs + to, theirs + from, len);
			EXPECT(!memcmp(ours, theirs, SPACE));
		}
		EXPECT(k_memchr(ours, ours[to], len) == memchr(ours, ours[to], len));
	}
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

HTEST(memcmp_as_libc)
{
	for (int n = 0; n < 50000; n++) {
		size_t len = rnd_below(40), a = rnd_below(8), b = 80 + rnd_below(8);

		fresh_bytes();
		memcpy(ours + b, ours + a, len);
		if (rnd_below(3) && len)
			ours[b + rnd_below(len)] += rnd_below(3);
		EXPECT_EQ(sign(k_memcmp(ours + a, ours + b, len)), sign(memcmp(ours + a, ours + b, len)));
	}
}

/* A short string over few letters, so that matches happen. */
static void random_string(char *s, size_t max)
{
	size_t len = rnd_below(max);

	for (size_t i = 0; i < len; i++)
		s[i] = "abc\xe9"[rnd_below(4)];
	s[len] = '\0';
}

HTEST(string_functions_as_libc)
{
	char a[20], b[20], set[4];
	int c;

	for (int n = 0; n < 100000; n++) {
		random_string(a, 20);
		random_string(b, rnd_below(2) ? 20 : 4);
		random_string(set, 4);
		c = (unsigned char)a[0];
		EXPECT_EQ(k_strlen(a), strlen(a));
		EXPECT_EQ(k_strnlen(a, n % 20), strnlen(a, n % 20));
		EXPECT_EQ(sign(k_strcmp(a, b)), sign(strcmp(a, b)));
		EXPECT_EQ(sign(k_strncmp(a, b, n % 5)), sign(strncmp(a, b, n % 5)));
		EXPECT(k_strchr(b, c) == strchr(b, c));
		EXPECT(k_strrchr(b, c) == strrchr(b, c));
		EXPECT(k_strstr(a, b) == strstr(a, b));
		EXPECT(k_strpbrk(a, set) == strpbrk(a, set));
		EXPECT_EQ(k_strspn(a, set), strspn(a, set));
		EXPECT_EQ(k_strcspn(a, set), strcspn(a, set));
	}
}
#endif

HTEST(strscpy_cuts_and_terminates)
{
	char to[8];

	EXPECT_EQ(strscpy(to, "abc", 8), 3);
	EXPECT(!strcmp(to, "abc"));
	EXPECT_EQ(strscpy(to, "1234567", 8), 7);
	EXPECT_EQ(strscpy(to, "12345678", 8), -E2BIG);
	EXPECT(!strcmp(to, "1234567"));
	EXPECT_EQ(strscpy(to, "x", 0), -E2BIG);
	EXPECT_EQ(strscpy(to, "", 1), 0);
}

HTEST(memchr_inv_finds_the_first_other_byte)
{
	u8 bytes[70];

	for (int n = 0; n < 5000; n++) {
		size_t off = rnd_below(8), len = rnd_below(60), at = rnd_below(60);

		memset(bytes, n, sizeof(bytes));
		bytes[off + at]++;
		EXPECT(memchr_inv(bytes + off, n, len) == (at < len ? bytes + off + at : NULL));
	}
}

HTEST(strim_and_kstrsep)
{
	char text[] = " \t[always]  madvise \n", list[] = "a,b;,c", *s = list;

	EXPECT(!strcmp(strim(text), "[always]  madvise"));
	strcpy(text, "  \n");
	EXPECT(!strcmp(strim(text), ""));
	EXPECT(!strcmp(kstrsep(&s, ",;"), "a"));
	EXPECT(!strcmp(kstrsep(&s, ",;"), "b"));
	EXPECT(!strcmp(kstrsep(&s, ",;"), ""));
	EXPECT(!strcmp(kstrsep(&s, ",;"), "c"));
	EXPECT(!kstrsep(&s, ",;"));
}

static void expect_ull(const char *text, unsigned int base, int err, unsigned long long want)
{
	unsigned long long got = 4711;

	EXPECT_EQ(kstrtoull(text, base, &got), err);
	EXPECT_EQ(got, err ? 4711 : want);
}

HTEST(kstrtoull_accepts_and_refuses)
{
	expect_ull("0", 0, 0, 0);
	expect_ull("18446744073709551615", 10, 0, ~0ULL);
	expect_ull("18446744073709551616", 10, -ERANGE, 0);
	expect_ull("99999999999999999999999999", 0, -ERANGE, 0);
	expect_ull("99999999999999999999999999x", 0, -EINVAL, 0);
	expect_ull("0xffffffffffffffff", 0, 0, ~0ULL);
	expect_ull("0xFfffffffffffffff0", 0, -ERANGE, 0);
	expect_ull("0x10", 16, 0, 16);
	expect_ull("10", 16, 0, 16);
	expect_ull("010", 0, 0, 8);
	expect_ull("010", 10, 0, 10);
	expect_ull("08", 0, -EINVAL, 0);
	expect_ull("12\n", 10, 0, 12);
	expect_ull("12\n\n", 10, -EINVAL, 0);
	expect_ull("\n", 10, -EINVAL, 0);
	expect_ull("", 10, -EINVAL, 0);
	expect_ull("0x", 0, -EINVAL, 0);
	expect_ull("0x", 16, -EINVAL, 0);
	expect_ull("+7", 0, 0, 7);
	expect_ull("-7", 0, -EINVAL, 0);
	expect_ull("++7", 0, -EINVAL, 0);
	expect_ull(" 7", 0, -EINVAL, 0);
	expect_ull("7 ", 0, -EINVAL, 0);
	expect_ull("7a", 10, -EINVAL, 0);
}

static void expect_ll(const char *text, int err, long long want)
{
	long long got = 4711;

	EXPECT_EQ(kstrtoll(text, 0, &got), err);
	EXPECT_EQ(got, err ? 4711 : want);
}

HTEST(kstrtoll_and_narrow_ones_check_the_range)
{
	unsigned int u;
	int i;

	expect_ll("-9223372036854775808", 0, INT64_MIN);
	expect_ll("-9223372036854775809", -ERANGE, 0);
	expect_ll("9223372036854775807", 0, INT64_MAX);
	expect_ll("9223372036854775808", -ERANGE, 0);
	expect_ll("-0x10", 0, -16);
	expect_ll("-", -EINVAL, 0);
	expect_ll("-+1", -EINVAL, 0);
	EXPECT(!kstrtoint("-2147483648", 0, &i) && i == INT32_MIN);
	EXPECT_EQ(kstrtoint("2147483648", 0, &i), -ERANGE);
	EXPECT(!kstrtouint("4294967295", 0, &u) && u == UINT32_MAX);
	EXPECT_EQ(kstrtouint("4294967296", 0, &u), -ERANGE);
	EXPECT_EQ(kstrtouint("-1", 0, &u), -EINVAL);
}

/* What printf writes, the parsers read back, in every base and at every size. */
HTEST(kstrto_reads_what_printf_writes)
{
	static const char *const formats[] = { "%llu", "0x%llx", "0%llo" };
	unsigned long long back;
	char text[40], *end;
	long long sback;

	for (int n = 0; n < 20000; n++) {
		unsigned long long value = rnd() >> rnd_below(64);
		const char *fmt = formats[rnd_below(3)];

		sprintf(text, fmt, value);
		EXPECT(!kstrtoull(text, 0, &back) && back == value);
		EXPECT(simple_strtoull(text, &end, 0) == value && !*end);
		sprintf(text, "%lld", (long long)value);
		EXPECT(!kstrtoll(text, 0, &sback) && sback == (long long)value);
	}
}

HTEST(memparse_knows_suffixes)
{
	char *end;

	EXPECT_EQ(memparse("64M", &end), 64 << 20);
	EXPECT(!*end);
	EXPECT_EQ(memparse("0x10k,rest", &end), 16 << 10);
	EXPECT(!strcmp(end, ",rest"));
	EXPECT_EQ(memparse("3G", NULL), 3LL << 30);
	EXPECT_EQ(memparse("4096", &end), 4096);
	EXPECT_EQ(memparse("x", &end), 0);
	EXPECT(!strcmp(end, "x"));
}
