/*
 * kernel/params.c - the words of the command line: who gets them.
 *
 *	rdinit=/bin/sh  mem=256M  quiet  FOO=bar  single  -- a b
 *	|               |         |      |        |       |
 *	boot_param      early_param      environ  argv    argv of init, whatever they look like
 *
 * Words are separated by blanks; double quotes keep blanks together (name="a b" gives a b). The line is
 * read twice: early words before memory is set up, the others and what is left for init before the
 * initcalls. A word with a dot in its name belongs to some module of Linux and is dropped, as there. Linux:
 * kernel/params.c, init/main.c.
 */
#include "arch-x86_64/setup.h"
#include "kernel/init.h"
#include "kernel/lib/printk.h"
#include "kernel/lib/string.h"

#define MAX_INIT_WORDS 32

extern const struct kernel_param _early_param_start[], _early_param_end[];
extern const struct kernel_param _boot_param_start[], _boot_param_end[];

char *argv_init[MAX_INIT_WORDS + 1];
char *envp_init[MAX_INIT_WORDS + 1] = { "HOME=/", "TERM=linux" };

static char words[BOOT_CMDLINE_SIZE];	/* argv_init and envp_init point into it after parse_params() */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/*
 * Cut the next word off *S, without its quotes; NULL at the end. The result is terminated in place.
 */
static char *next_word(char **s)
{
	char *from = *s, *to, *word;
	bool quoted = false;

	while (is_blank(*from))
		from++;
	if (!*from)
		return NULL;
	for (word = to = from; *from && (quoted || !is_blank(*from)); from++) {
		if (*from == '"')
			quoted = !quoted;
		else
			*to++ = *from;
	}
	*s = *from ? from + 1 : from;
	*to = '\0';
	return word;
}

/* The value of WORD if it is what P wants ("name=" takes name=value, "name" the bare word), else NULL. */
static char *param_value(const struct kernel_param *p, char *word)
{
	size_t n = strlen(p->name);

	if (p->name[n - 1] == '=')
		return strncmp(word, p->name, n) == 0 ? word + n : NULL;
	return strcmp(word, p->name) == 0 ? word + n : NULL;
}

/* Offer WORD to the params of one list; true if somebody knows it. CALL: and let them have it. */
static bool offer(const struct kernel_param *p, const struct kernel_param *end, char *word, bool call)
{
	bool known = false;

	for (; p < end; p++) {
		char *value = param_value(p, word);

		if (!value)
			continue;
		known = true;
		if (call && p->fn(value))
			pr_err("%s: not understood\n", word);
	}
	return known;
}

static void add_word(char **list, int from, char *word)
{
	for (int i = from; i < MAX_INIT_WORDS; i++) {
		if (!list[i]) {
			list[i] = word;
			return;
		}
	}
	pr_err("%s: too many words for init\n", word);
}

/* NAME=value into the environment, in place of an earlier one of this name. */
static void add_env(char *word)
{
	size_t n = strchr(word, '=') + 1 - word;

	for (int i = 0; envp_init[i]; i++) {
		if (strncmp(envp_init[i], word, n) == 0) {
			envp_init[i] = word;
			return;
		}
	}
	add_word(envp_init, 0, word);
}

static void give_to_init(char *word)
{
	char *eq = strchr(word, '='), *dot = strchr(word, '.');

	if (dot && (!eq || dot < eq))
		return;
	if (eq)
		add_env(word);
	else
		add_word(argv_init, 1, word);
}

void parse_early_params(void)
{
	char *rest = words, *word;

	strscpy(words, boot_info.cmdline, sizeof(words));
	while ((word = next_word(&rest)) && strcmp(word, "--") != 0)
		offer(_early_param_start, _early_param_end, word, true);
}

void parse_params(void)
{
	char *rest = words, *word;

	strscpy(words, boot_info.cmdline, sizeof(words));
	while ((word = next_word(&rest)) && strcmp(word, "--") != 0) {
		bool early = offer(_early_param_start, _early_param_end, word, false);

		if (!offer(_boot_param_start, _boot_param_end, word, true) && !early)
			give_to_init(word);
	}
	while ((word = next_word(&rest)))
		add_word(argv_init, 1, word);
}

/* Linux's words about a root disk. There is none here, and init must not find them among its arguments. */
static int root_param(char *value)
{
	return 0;
}
boot_param("root=", root_param);

static int ro_param(char *value)
{
	return 0;
}
boot_param("ro", ro_param);

static int rw_param(char *value)
{
	return 0;
}
boot_param("rw", rw_param);
