/*
 * kernel/lib/vsprintf.c - formatted output to memory.
 *
 *	"pid %5d of %s\n"
 *	 ───┬ ─┬─
 *	    │  └── parse_spec() reads flags, width, precision, length; then one of the emit functions
 *	    └───── copied in runs
 *
 * Everything goes through put() and fill(), which count all bytes and store those that fit. So the result is
 * the full length, whatever the size of the buffer. Meaning as in C, checked against the host's C library by
 * tests/host. Left out: floating point, %n, wide characters, Linux's extensions of %p.
 */
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"

struct out {
	char *buf;
	size_t size;
	size_t len;		/* bytes produced so far, also those beyond size */
};

struct spec {
	bool left, zero, plus, space, alt;	/* flags - 0 + space # */
	int width;
	int precision;		/* -1: none given */
	int length;		/* bytes of the integer argument */
	char conv;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (o->len < o->size)
		memcpy(o->buf + o->len, s, min(n, o->size - o->len));
	o->len += n;
}

static void fill(struct out *o, char c, long n)
{
	if (n <= 0)
		return;
	if (o->len < o->size)
		memset(o->buf + o->len, c, min_t(size_t, n, o->size - o->len));
	o->len += n;
}

/* A decimal number of the format; it stops growing before it overflows. */
static const char *parse_int(const char *fmt, int *res)
{
	for (*res = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
		if (*res < 100000000)
			*res = *res * 10 + (*fmt - '0');
	return fmt;
}

static const char *parse_flags(const char *fmt, struct spec *s)
{
	for (;; fmt++) {
		switch (*fmt) {
		case '-': s->left = true; break;
		case '0': s->zero = true; break;
		case '+': s->plus = true; break;
		case ' ': s->space = true; break;
		case '#': s->alt = true; break;
		default: return fmt;
		}
	}
}

static const char *parse_length(const char *fmt, struct spec *s)
{
	s->length = sizeof(int);
	switch (*fmt) {
	case 'h':
		s->length = fmt[1] == 'h' ? 1 : 2;
		return fmt + (fmt[1] == 'h' ? 2 : 1);
	case 'l':
		s->length = 8;
		return fmt + (fmt[1] == 'l' ? 2 : 1);
	case 'z': case 't': case 'j':
		s->length = 8;
		return fmt + 1;
	}
	return fmt;
}

/* FMT stands behind the '%'; returns what is behind the conversion. AP is consumed for each '*'. */
static const char *parse_spec(const char *fmt, struct spec *s, va_list *ap)
{
	*s = (struct spec){ .precision = -1 };
	fmt = parse_flags(fmt, s);
	if (*fmt == '*') {
		s->width = va_arg(*ap, int);
		fmt++;
		if (s->width < 0) {
			s->left = true;
			s->width = -s->width;
		}
	} else {
		fmt = parse_int(fmt, &s->width);
	}
	if (*fmt == '.') {
		fmt++;
		if (*fmt == '*') {
			s->precision = max(va_arg(*ap, int), -1);
			fmt++;
		} else {
			fmt = parse_int(fmt, &s->precision);
		}
	}
	fmt = parse_length(fmt, s);
	s->conv = *fmt;
	return *fmt ? fmt + 1 : fmt;
}

static void emit_padded(struct out *o, const struct spec *s, const char *text, size_t n)
{
	if (!s->left)
		fill(o, ' ', s->width - (long)n);
	put(o, text, n);
	if (s->left)
		fill(o, ' ', s->width - (long)n);
}

/* [spaces] sign-or-0x [zeros] digits [spaces] */
static void emit_number(struct out *o, const struct spec *s, const char *prefix, const char *digits, long n)
{
	long prefix_len = strlen(prefix);
	long zeros = max(s->precision - n, 0L);
	long pad;

	if (s->zero && !s->left && s->precision < 0)
		zeros = max(s->width - prefix_len - n, 0L);
	pad = s->width - prefix_len - zeros - n;
	if (!s->left)
		fill(o, ' ', pad);
	put(o, prefix, prefix_len);
	fill(o, '0', zeros);
	put(o, digits, n);
	if (s->left)
		fill(o, ' ', pad);
}

static s64 signed_arg(const struct spec *s, va_list *ap)
{
	if (s->length == 8)
		return va_arg(*ap, s64);
	switch (s->length) {
	case 1: return (s8)va_arg(*ap, int);
	case 2: return (s16)va_arg(*ap, int);
	}
	return va_arg(*ap, int);
}

static u64 unsigned_arg(const struct spec *s, va_list *ap)
{
	if (s->length == 8)
		return va_arg(*ap, u64);
	switch (s->length) {
	case 1: return (u8)va_arg(*ap, unsigned int);
	case 2: return (u16)va_arg(*ap, unsigned int);
	}
	return va_arg(*ap, unsigned int);
}

#define DIGITS_MAX 22		/* 2^64 in octal */

/* Digits of VALUE up to END, none for 0; returns where they start. The base is a constant in each call. */
static __always_inline char *to_digits(char *end, u64 value, unsigned int base, const char *digits)
{
	for (; value; value /= base)
		*--end = digits[value % base];
	return end;
}

static void emit_decimal(struct out *o, const struct spec *s, u64 value, const char *sign)
{
	char text[DIGITS_MAX], *end = text + sizeof(text);
	char *at = to_digits(end, value, 10, "0123456789");

	if (!value && s->precision)	/* a precision of 0 prints 0 as nothing */
		*--at = '0';
	emit_number(o, s, sign, at, end - at);
}

static void emit_signed(struct out *o, const struct spec *s, s64 value)
{
	if (value < 0)
		emit_decimal(o, s, -(u64)value, "-");
	else
		emit_decimal(o, s, value, s->plus ? "+" : s->space ? " " : "");
}

static void emit_hex(struct out *o, const struct spec *s, u64 value)
{
	char text[DIGITS_MAX], *end = text + sizeof(text);
	bool upper = s->conv == 'X';
	char *at = to_digits(end, value, 16, upper ? "0123456789ABCDEF" : "0123456789abcdef");

	if (!value && s->precision)
		*--at = '0';
	emit_number(o, s, !s->alt || !value ? "" : upper ? "0X" : "0x", at, end - at);
}

/* '#' asks for a leading 0, which leading zeros of the precision may already be. */
static void emit_octal(struct out *o, const struct spec *s, u64 value)
{
	char text[DIGITS_MAX + 1], *end = text + sizeof(text);
	char *at = to_digits(end, value, 8, "01234567");

	if ((!value && s->precision) || (s->alt && s->precision <= end - at))
		*--at = '0';
	emit_number(o, s, "", at, end - at);
}

static void emit_string(struct out *o, const struct spec *s, const char *text)
{
	if (!text)
		text = "(null)";
	emit_padded(o, s, text, s->precision < 0 ? strlen(text) : strnlen(text, s->precision));
}

/* As Linux: all 16 digits, no prefix. */
static void emit_pointer(struct out *o, struct spec *s, const void *p)
{
	s->precision = 16;
	emit_hex(o, s, (unsigned long)p);
}

/* False: S is not a conversion. */
static bool emit(struct out *o, struct spec *s, va_list *ap)
{
	char c;

	switch (s->conv) {
	case 'd': case 'i':
		emit_signed(o, s, signed_arg(s, ap));
		return true;
	case 'u':
		emit_decimal(o, s, unsigned_arg(s, ap), "");
		return true;
	case 'x': case 'X':
		emit_hex(o, s, unsigned_arg(s, ap));
		return true;
	case 'o':
		emit_octal(o, s, unsigned_arg(s, ap));
		return true;
	case 'c':
		c = va_arg(*ap, int);
		emit_padded(o, s, &c, 1);
		return true;
	case 's':
		emit_string(o, s, va_arg(*ap, const char *));
		return true;
	case 'p':
		emit_pointer(o, s, va_arg(*ap, void *));
		return true;
	case '%':
		put(o, "%", 1);
		return true;
	}
	return false;
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { buf, size, 0 };
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		const char *start = fmt;
		struct spec s;

		while (*fmt && *fmt != '%')
			fmt++;
		put(&o, start, fmt - start);
		if (!*fmt)
			break;
		start = fmt;
		fmt = parse_spec(fmt + 1, &s, &args);
		if (!emit(&o, &s, &args))
			put(&o, start, fmt - start);	/* unknown: show it as it stands */
	}
	va_end(args);
	if (size)
		buf[min(o.len, size - 1)] = '\0';
	return o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

int vscnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	size_t n = vsnprintf(buf, size, fmt, ap);

	return n < size ? n : size ? size - 1 : 0;
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vscnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
