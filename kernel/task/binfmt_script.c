/*
 * kernel/task/binfmt_script.c - programs that begin with "#!".
 *
 *	file s:  #!/bin/interp one optional argument
 *	execve("s", {"x", "a"})  becomes
 *	execve("/bin/interp", {"/bin/interp", "one optional argument", "s", "a"})
 *
 * All between the interpreter and the end of the line, without the blanks around it, is one argument. The
 * line must fit into the first BINPRM_BUF_SIZE bytes, except that the argument may be cut.
 *
 * Linux: fs/binfmt_script.c.
 */
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/task/internal.h"
#include "mm/slab.h"

#define PREFIX_SIZE 8192

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Cut LINE (of N bytes, not terminated) into the interpreter's path and its argument (NULL: none). */
static int split_line(char *line, size_t n, char **interp, char **arg)
{
	char *end = memchr(line, '\n', n), *p = line, *name_end;

	if (!end) {
		/* The line is longer than what we read: the path at least must be complete. */
		end = line + n - 1;
		while (p < end && is_blank(*p))
			p++;
		while (p < end && !is_blank(*p) && *p)
			p++;
		if (p == end)
			return -ENOEXEC;
	}
	while (end > line && is_blank(end[-1]))
		end--;
	*end = 0;
	for (p = line; is_blank(*p); p++)
		;
	if (!*p)
		return -ENOEXEC;
	*interp = p;
	while (*p && !is_blank(*p))
		p++;
	name_end = p;
	while (is_blank(*p))
		p++;
	*arg = *p ? p : NULL;
	*name_end = 0;
	return 0;
}

/* Forget argv[0]. */
static void remove_arg_zero(struct linux_binprm *bprm)
{
	size_t n;

	bprm->argc--;
	if (bprm->prefix_len) {
		n = strlen(bprm->prefix) + 1;
		bprm->prefix_len -= n;
		memmove(bprm->prefix, bprm->prefix + n, bprm->prefix_len);
		return;
	}
	while (bprm->skip < bprm->argv_end) {
		size_t at = bprm->skip++;

		if (!((char *)page_address(bprm->pages[at / PAGE_SIZE]))[at % PAGE_SIZE])
			return;
	}
}

/* Put S before all other arguments. 0 or -E2BIG. */
static int prepend_arg(struct linux_binprm *bprm, const char *s)
{
	size_t n = strlen(s) + 1;

	if (bprm->prefix_len + n > PREFIX_SIZE)
		return -E2BIG;
	memmove(bprm->prefix + n, bprm->prefix, bprm->prefix_len);
	memcpy(bprm->prefix, s, n);
	bprm->prefix_len += n;
	bprm->argc++;
	return 0;
}

int load_script(struct linux_binprm *bprm)
{
	char line[BINPRM_BUF_SIZE], *interp, *arg;
	struct file *file;
	int err;

	if (bprm->buf[0] != '#' || bprm->buf[1] != '!')
		return -ENOEXEC;
	memcpy(line, bprm->buf + 2, sizeof(line) - 2);
	err = split_line(line, sizeof(line) - 2, &interp, &arg);
	if (err)
		return err;
	if (!bprm->prefix)
		bprm->prefix = kmalloc(PREFIX_SIZE, GFP_KERNEL);
	if (!bprm->prefix)
		return -ENOMEM;
	file = open_exec(interp);
	if (IS_ERR(file))
		return PTR_ERR(file);
	/* argv[0] gives way to the name under which this script was found. */
	remove_arg_zero(bprm);
	err = prepend_arg(bprm, bprm->interp);
	if (!err && arg)
		err = prepend_arg(bprm, arg);
	if (!err)
		err = prepend_arg(bprm, interp);
	fput(bprm->file);
	bprm->file = file;
	if (err)
		return err;
	strscpy(bprm->interp_buf, interp, sizeof(bprm->interp_buf));
	bprm->interp = bprm->interp_buf;
	return 1;
}
