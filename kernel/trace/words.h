/*
 * kernel/trace/words.h - cutting what was written to a control into its words.
 */
#ifndef KERNEL_TRACE_WORDS_H
#define KERNEL_TRACE_WORDS_H

#include "kernel/lib/string.h"

/* Cut TEXT at blanks, in place, into at most MAX words. How many there are; MAX + 1: more than fit. */
static inline int split_words(char *text, char **words, int max)
{
	char *rest = text, *word;
	int n = 0;

	while ((word = kstrsep(&rest, " \t\n"))) {
		if (!*word)
			continue;
		if (n == max)
			return max + 1;
		words[n++] = word;
	}
	return n;
}

/* WORD is "NAME=number" (or NAME=0x...): true, with the number in *RES. */
static inline bool word_number(const char *word, const char *name, long *res)
{
	size_t len = strlen(name);
	long long v;

	if (strncmp(word, name, len) || word[len] != '=' || kstrtoll(word + len + 1, 0, &v))
		return false;
	*res = v;
	return true;
}

#endif
