/*
 * kernel/lib/string.c - memory and string functions.
 *
 * Bulk work is done by rep stosq and rep movsq: one instruction for eight bytes, in hardware and under an
 * instruction-counting clock alike. Lengths that are no multiple of 8 end with one more 8-byte store that
 * overlaps what is written already, so there are no loops over single bytes.
 *
 * gcc recognises loops that look like memset or strlen and would make these functions call themselves: the
 * pragma forbids that. On the host (unit tests) the C library's functions are used; only our own are built.
 */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#include "kernel/lib/string.h"
#include "kernel/lib/san.h"

/* Unaligned access to memory of any type. */
typedef u64 __attribute__((may_alias, aligned(1))) any64;
typedef u32 __attribute__((may_alias, aligned(1))) any32;
typedef u16 __attribute__((may_alias, aligned(1))) any16;
#define AT(type, p) (*(type *)(p))

#ifndef QUIRE_HOST

/* N < 8. Everything is loaded before anything is stored, so overlap does no harm. */
static inline void copy_small(void *to, const void *from, size_t n)
{
	if (n & 4) {
		u32 head = AT(const any32, from), tail = AT(const any32, from + n - 4);

		AT(any32, to) = head;
		AT(any32, to + n - 4) = tail;
	} else if (n & 2) {
		u16 head = AT(const any16, from), tail = AT(const any16, from + n - 2);

		AT(any16, to) = head;
		AT(any16, to + n - 2) = tail;
	} else if (n) {
		*(u8 *)to = *(const u8 *)from;
	}
}

/*
 * Right for separate ranges and for TO below FROM. The last 8 bytes are read first: with overlap the string
 * instruction may reach them.
 */
static inline void copy_forward(void *to, const void *from, size_t n)
{
	u64 tail = AT(const any64, from + n - 8);
	void *last = to + n - 8;
	size_t quads = n / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(quads) : : "memory");
	AT(any64, last) = tail;
}

/* For TO above FROM: from the end. No std instruction, so that interrupts never meet a set direction flag. */
static void copy_backward(void *to, const void *from, size_t n)
{
	u64 head = AT(const any64, from);

	for (; n >= 8; n -= 8)
		AT(any64, to + n - 8) = AT(const any64, from + n - 8);
	if (n)
		AT(any64, to) = head;
}

void *memcpy(void *to, const void *from, size_t n)
{
	kasan_check_read(from, n);
	kasan_check_write(to, n);
	if (n < 8)
		copy_small(to, from, n);
	else
		copy_forward(to, from, n);
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	kasan_check_read(from, n);
	kasan_check_write(to, n);
	if (n < 8)
		copy_small(to, from, n);
	else if ((unsigned long)to - (unsigned long)from >= n)
		copy_forward(to, from, n);
	else
		copy_backward(to, from, n);
	return to;
}

void *memset(void *p, int c, size_t n)
{
	u64 pattern = (u8)c * 0x0101010101010101ULL;
	void *at = p;
	size_t quads = n / 8;

	kasan_check_write(p, n);
	if (n >= 8) {
		AT(any64, p + n - 8) = pattern;
		__asm__ volatile("rep stosq" : "+D"(at), "+c"(quads) : "a"(pattern) : "memory");
	} else if (n & 4) {
		AT(any32, p) = AT(any32, p + n - 4) = pattern;
	} else if (n & 2) {
		AT(any16, p) = AT(any16, p + n - 2) = pattern;
	} else if (n) {
		*(u8 *)p = pattern;
	}
	return p;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n >= 8; n -= 8, x += 8, y += 8)
		if (AT(const any64, x) != AT(const any64, y))
			break;		/* the bytes below find out which is greater */
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *p, int c, size_t n)
{
	for (const u8 *b = p; n; n--, b++)
		if (*b == (u8)c)
			return (void *)b;
	return NULL;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end)
		end++;
	return end - s;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	do {
		if (*s == (char)c)
			found = s;
	} while (*s++);
	return (char *)found;
}

char *strstr(const char *hay, const char *needle)
{
	size_t n = strlen(needle);

	for (;; hay++) {
		if (!strncmp(hay, needle, n))
			return (char *)hay;
		if (!*hay)
			return NULL;
	}
}

size_t strspn(const char *s, const char *accept)
{
	size_t n = 0;

	while (s[n] && strchr(accept, s[n]))
		n++;
	return n;
}

size_t strcspn(const char *s, const char *reject)
{
	size_t n = 0;

	while (s[n] && !strchr(reject, s[n]))
		n++;
	return n;
}

char *strpbrk(const char *s, const char *accept)
{
	s += strcspn(s, accept);
	return *s ? (char *)s : NULL;
}

#endif /* !QUIRE_HOST */

long strscpy(char *to, const char *from, size_t size)
{
	size_t len = strnlen(from, size);

	if (len < size) {
		memcpy(to, from, len + 1);
		return len;
	}
	if (size) {
		memcpy(to, from, size - 1);
		to[size - 1] = '\0';
	}
	return -E2BIG;
}

void *memchr_inv(const void *p, int c, size_t n)
{
	u64 pattern = (u8)c * 0x0101010101010101ULL;
	const u8 *b = p;

	for (; n >= 8 && AT(const any64, b) == pattern; n -= 8)
		b += 8;
	for (; n; n--, b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

char *strim(char *s)
{
	size_t len;

	while (is_space(*s))
		s++;
	len = strlen(s);
	while (len && is_space(s[len - 1]))
		len--;
	s[len] = '\0';
	return s;
}

char *kstrsep(char **s, const char *delim)
{
	char *field = *s, *end;

	if (!field)
		return NULL;
	end = strpbrk(field, delim);
	if (end)
		*end++ = '\0';
	*s = end;
	return field;
}

/* Value of a digit, or 99. */
static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;		/* lower case */
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Step over the prefix that *BASE allows and replace *BASE 0 by the base that it means. */
static const char *skip_prefix(const char *s, unsigned int *base)
{
	bool hex = s[0] == '0' && (s[1] | 0x20) == 'x' && digit_value(s[2]) < 16;

	if (!*base)
		*base = hex ? 16 : s[0] == '0' ? 8 : 10;
	return *base == 16 && hex ? s + 2 : s;
}

/* Digits from S; returns the first character that is none. The value wraps; *OVERFLOW tells. */
static const char *parse_digits(const char *s, unsigned int base, unsigned long long *res, bool *overflow)
{
	unsigned int d;

	*res = 0;
	*overflow = false;
	for (; (d = digit_value(*s)) < base; s++) {
		*overflow |= __builtin_mul_overflow(*res, (unsigned long long)base, res);
		*overflow |= __builtin_add_overflow(*res, (unsigned long long)d, res);
	}
	return s;
}

/* An unsigned number without sign, all of S. */
static int parse_whole(const char *s, unsigned int base, unsigned long long *res)
{
	unsigned long long value;
	const char *end;
	bool overflow;

	s = skip_prefix(s, &base);
	end = parse_digits(s, base, &value, &overflow);
	if (end == s)
		return -EINVAL;
	if (*end == '\n')
		end++;
	if (*end)
		return -EINVAL;
	if (overflow)
		return -ERANGE;
	*res = value;
	return 0;
}

int kstrtoull(const char *s, unsigned int base, unsigned long long *res)
{
	return parse_whole(*s == '+' ? s + 1 : s, base, res);
}

int kstrtoll(const char *s, unsigned int base, long long *res)
{
	bool minus = *s == '-';
	unsigned long long value;
	int err = parse_whole(minus || *s == '+' ? s + 1 : s, base, &value);

	if (err)
		return err;
	if (value > (unsigned long long)INT64_MAX + minus)
		return -ERANGE;
	*res = minus ? -value : value;
	return 0;
}

int kstrtoul(const char *s, unsigned int base, unsigned long *res)
{
	unsigned long long value;
	int err = kstrtoull(s, base, &value);

	if (!err)
		*res = value;
	return err;
}

int kstrtoint(const char *s, unsigned int base, int *res)
{
	long long value;
	int err = kstrtoll(s, base, &value);

	if (err)
		return err;
	if (value != (int)value)
		return -ERANGE;
	*res = value;
	return 0;
}

int kstrtouint(const char *s, unsigned int base, unsigned int *res)
{
	unsigned long long value;
	int err = kstrtoull(s, base, &value);

	if (err)
		return err;
	if (value != (unsigned int)value)
		return -ERANGE;
	*res = value;
	return 0;
}

unsigned long long simple_strtoull(const char *s, char **end, unsigned int base)
{
	unsigned long long value;
	bool overflow;

	s = skip_prefix(s, &base);
	s = parse_digits(s, base, &value, &overflow);
	if (end)
		*end = (char *)s;
	return value;
}

unsigned long long memparse(const char *s, char **end)
{
	char *at;
	unsigned long long value = simple_strtoull(s, &at, 0);
	unsigned int shift = 0;

	switch (*at | 0x20) {
	case 'g': shift += 10;
		__attribute__((fallthrough));
	case 'm': shift += 10;
		__attribute__((fallthrough));
	case 'k': shift += 10;
		at++;
	}
	if (end)
		*end = at;
	return value << shift;
}
