/*
 * kernel/lib/ubsan.c - undefined behaviour, said aloud. (SAN=1 builds only)
 *
 *	x << n     becomes     if (n > 63) __ubsan_handle_shift_out_of_bounds(&where, x, n);  x << n
 *
 *	UBSAN: shift-out-of-bounds at mm/page_alloc.c:412:18: shift of 'unsigned long' 1 by 64
 *
 * gcc calls one of these functions where the C standard says that anything may happen, and hands over a description of
 * the place and of the types. The report ends the machine: a test run must fail. What is checked is in the Makefile;
 * left out there are null pointers and alignment (the CPU sees the first and does not mind the second), and the sizes of
 * objects (KASAN knows them better); their descriptions would fill megabytes.
 *
 * A value of at most 64 bits comes as itself, a wider one by its address. Linux: lib/ubsan.c.
 */
#include "kernel/lib/bug.h"
#include "kernel/lib/san.h"

struct location { const char *file; u32 line, column; };
struct type {
	u16 kind;		/* 0: integer */
	u16 info;		/* integer: bit 0 signed, above it log2 of the width in bits */
	char name[];		/* in quotes */
};

/* What gcc lays out for each kind of check. */
struct overflow_data { struct location at; const struct type *type; };
struct shift_data { struct location at; const struct type *left, *right; };
struct bounds_data { struct location at; const struct type *array, *index; };
struct value_data { struct location at; const struct type *type; };
struct place_data { struct location at; };

static int reporting;

/* A mistake made while one is being reported is dropped: the report itself may make it. */
static void __printf(3, 4) report(const struct location *at, const char *kind, const char *fmt, ...)
{
	char what[160], headline[256];
	va_list ap;

	if (xchg(&reporting, 1))
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(headline, sizeof(headline), "UBSAN: %s at %s:%u:%u: %s", kind, at->file, at->line, at->column, what);
	if (!san_expected(headline))
		panic("%s", headline);
	smp_store_release(&reporting, 0);
}

/* VALUE of type T as a number. */
static const char *number(char *buf, size_t size, const struct type *t, unsigned long value)
{
	unsigned int bits = 1u << (t->info >> 1);

	if (t->kind != 0)
		snprintf(buf, size, "(no integer)");
	else if (bits > 64)
		snprintf(buf, size, "%#lx%016lx", ((unsigned long *)value)[1], ((unsigned long *)value)[0]);
	else if (t->info & 1)
		snprintf(buf, size, "%ld", bits == 64 ? (long)value : (long)(value << (64 - bits)) >> (64 - bits));
	else
		snprintf(buf, size, "%lu", bits == 64 ? value : value & ((1UL << bits) - 1));
	return buf;
}

#define NUMBER(t, value) number((char[40]){}, 40, t, value)

static void overflow(const struct overflow_data *d, unsigned long a, const char *op, unsigned long b)
{
	report(&d->at, "signed-integer-overflow", "%s %s %s does not fit %s", NUMBER(d->type, a), op, NUMBER(d->type, b),
	       d->type->name);
}

/* The prototypes are gcc's. */
void __ubsan_handle_add_overflow(const struct overflow_data *d, unsigned long a, unsigned long b);
void __ubsan_handle_sub_overflow(const struct overflow_data *d, unsigned long a, unsigned long b);
void __ubsan_handle_mul_overflow(const struct overflow_data *d, unsigned long a, unsigned long b);
void __ubsan_handle_negate_overflow(const struct overflow_data *d, unsigned long a);
void __ubsan_handle_divrem_overflow(const struct overflow_data *d, unsigned long a, unsigned long b);
void __ubsan_handle_shift_out_of_bounds(const struct shift_data *d, unsigned long value, unsigned long by);
void __ubsan_handle_out_of_bounds(const struct bounds_data *d, unsigned long index);
void __ubsan_handle_load_invalid_value(const struct value_data *d, unsigned long value);
void __ubsan_handle_vla_bound_not_positive(const struct value_data *d, unsigned long bound);
void __ubsan_handle_pointer_overflow(const struct place_data *d, unsigned long base, unsigned long result);
void __ubsan_handle_nonnull_arg(const struct place_data *d);
void __ubsan_handle_nonnull_return_v1(const struct place_data *d, const struct location *at);
void __ubsan_handle_invalid_builtin(const struct place_data *d);
void __ubsan_handle_builtin_unreachable(const struct place_data *d);
void __ubsan_handle_missing_return(const struct place_data *d);

void __ubsan_handle_add_overflow(const struct overflow_data *d, unsigned long a, unsigned long b)
{
	overflow(d, a, "+", b);
}

void __ubsan_handle_sub_overflow(const struct overflow_data *d, unsigned long a, unsigned long b)
{
	overflow(d, a, "-", b);
}

void __ubsan_handle_mul_overflow(const struct overflow_data *d, unsigned long a, unsigned long b)
{
	overflow(d, a, "*", b);
}

void __ubsan_handle_divrem_overflow(const struct overflow_data *d, unsigned long a, unsigned long b)
{
	overflow(d, a, "/", b);
}

void __ubsan_handle_negate_overflow(const struct overflow_data *d, unsigned long a)
{
	report(&d->at, "negation-overflow", "-(%s) does not fit %s", NUMBER(d->type, a), d->type->name);
}

void __ubsan_handle_shift_out_of_bounds(const struct shift_data *d, unsigned long value, unsigned long by)
{
	report(&d->at, "shift-out-of-bounds", "shift of %s %s by %s", d->left->name, NUMBER(d->left, value),
	       NUMBER(d->right, by));
}

void __ubsan_handle_out_of_bounds(const struct bounds_data *d, unsigned long index)
{
	report(&d->at, "array-index-out-of-bounds", "index %s of an array %s", NUMBER(d->index, index), d->array->name);
}

void __ubsan_handle_load_invalid_value(const struct value_data *d, unsigned long value)
{
	report(&d->at, "invalid-load", "%s is no value of %s", NUMBER(d->type, value), d->type->name);
}

void __ubsan_handle_vla_bound_not_positive(const struct value_data *d, unsigned long bound)
{
	report(&d->at, "vla-bound", "an array of %s elements", NUMBER(d->type, bound));
}

void __ubsan_handle_pointer_overflow(const struct place_data *d, unsigned long base, unsigned long result)
{
	report(&d->at, "pointer-overflow", "%#lx becomes %#lx", base, result);
}

void __ubsan_handle_nonnull_arg(const struct place_data *d)
{
	report(&d->at, "nonnull-arg", "NULL for an argument that must not be");
}

void __ubsan_handle_nonnull_return_v1(const struct place_data *d, const struct location *at)
{
	report(at, "nonnull-return", "NULL from a function that must not return it");
}

void __ubsan_handle_invalid_builtin(const struct place_data *d)
{
	report(&d->at, "invalid-builtin", "count of leading or trailing zeroes of 0");
}

/* These two cannot go on, expected or not. */
void __ubsan_handle_builtin_unreachable(const struct place_data *d)
{
	panic("UBSAN: unreachable at %s:%u:%u", d->at.file, d->at.line, d->at.column);
}

void __ubsan_handle_missing_return(const struct place_data *d)
{
	panic("UBSAN: missing-return at %s:%u:%u: the end of a function that has a value", d->at.file, d->at.line,
	      d->at.column);
}
