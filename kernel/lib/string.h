/*
 * kernel/lib/string.h - memory and string functions, with the C library's meaning.
 */
#ifndef KERNEL_LIB_STRING_H
#define KERNEL_LIB_STRING_H

#ifdef QUIRE_HOST
#include <string.h>
#include "kernel/lib/types.h"
#else
#include "kernel/lib/types.h"
/* The meaning is the C standard's. */
void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *p, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *hay, const char *needle);
char *strpbrk(const char *s, const char *accept);
size_t strspn(const char *s, const char *accept);
size_t strcspn(const char *s, const char *reject);
#endif

/* Copy at most SIZE-1 bytes and terminate. Returns the length copied, or -E2BIG if it was cut. */
long strscpy(char *to, const char *from, size_t size);
/* First byte that is not C, or NULL. */
void *memchr_inv(const void *p, int c, size_t n);
/* Cut white space off both ends, in place; returns the first character that is left. */
char *strim(char *s);
/* Cut the next field off *S at any of DELIM (as strsep of the C library). */
char *kstrsep(char **s, const char *delim);
/*
 * Whole-string conversions. BASE 0 understands 0x and 0 prefixes. One trailing newline is accepted.
 * Return 0, -EINVAL for anything that is not a number, -ERANGE if it does not fit.
 */
int kstrtoull(const char *s, unsigned int base, unsigned long long *res);
int kstrtoll(const char *s, unsigned int base, long long *res);
int kstrtoul(const char *s, unsigned int base, unsigned long *res);
int kstrtoint(const char *s, unsigned int base, int *res);
int kstrtouint(const char *s, unsigned int base, unsigned int *res);
/* Number at the start of S, *END behind it (NULL: not wanted). No error report. */
unsigned long long simple_strtoull(const char *s, char **end, unsigned int base);
/* As above with a suffix K, M, G (powers of 1024): the form of mem= and size=. */
unsigned long long memparse(const char *s, char **end);

#endif
