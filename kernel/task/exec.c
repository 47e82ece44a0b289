/*
 * kernel/task/exec.c - execve: the same process, another program.
 *
 *	open the file, copy argv and envp into kernel pages, new empty mm		may fail
 *	  └─ load_script: another file, other strings, look again
 *	     load_elf_binary: check headers, open the interpreter			may fail
 *	  ---- begin_new_exec: the point of no return -------------------------------------------------------
 *	  other threads end, the new mm becomes active, signal handlers and close-on-exec	fails: SIGSEGV
 *	  strings to the new stack, segments mapped, auxv, registers
 *
 *	top of the new stack:  argv strings | envp strings | path (AT_EXECFN) | 8 zero bytes | STACK_TOP
 *
 * The strings wait in pages of the kernel because the old memory is gone when the new one can be written;
 * they count against a quarter of the stack limit. A thread that is not the leader takes the leader's place
 * and numbers, so that the process keeps its pid.
 *
 * Not here: capabilities of files, security modules, tracing. Linux: fs/exec.c. Ours copies the strings
 * once more instead of building the stack in an mm that is not active.
 */
#include "arch-x86_64/fpu.h"
#include "arch-x86_64/tlbflush.h"
#include "arch-x86_64/uaccess.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/task/exec.h"
#include "kernel/task/internal.h"
#include "kernel/task/syscall.h"
#include "mm/mm.h"
#include "mm/slab.h"

#define PATH_MAX		4096
#define MAX_INTERPRETERS	5
#define ARG_MAX_FLOOR		(128UL << 10)	/* always allowed, however small the stack limit */
#define STACK_LIMIT_DEFAULT	(8UL << 20)

/* argv or envp, of a user program or of the kernel. */
struct strings {
	const char *const *kernel;	/* NULL: */
	const char __user *const __user *user;
};

/* ---- The strings ---- */

/* Element I: *STR a kernel string or *USTR a user one; neither: the end. 0 or -EFAULT. */
static int get_string(const struct strings *s, int i, const char **str, const char __user **ustr)
{
	unsigned long ptr;

	*str = NULL;
	*ustr = NULL;
	if (s->kernel) {
		*str = s->kernel[i];
		return 0;
	}
	if (!s->user)
		return 0;
	if (copy_from_user(&ptr, s->user + i, sizeof(ptr)))
		return -EFAULT;
	*ustr = (const char __user *)ptr;
	return 0;
}

/* Room at the end of bprm->pages; *N: how many bytes up to the end of the page. NULL: no memory. */
static char *string_room(struct linux_binprm *bprm, size_t *n)
{
	size_t index = bprm->len / PAGE_SIZE, off = bprm->len % PAGE_SIZE;

	if (index == bprm->nr_pages) {
		bprm->pages[index] = alloc_pages(GFP_KERNEL, 0);
		if (!bprm->pages[index])
			return NULL;
		bprm->nr_pages++;
	}
	*n = PAGE_SIZE - off;
	return (char *)page_address(bprm->pages[index]) + off;
}

/* Append one string with its NUL. 0, -E2BIG, -EFAULT, -ENOMEM. */
static int append_string(struct linux_binprm *bprm, const char *str, const char __user *ustr)
{
	size_t start = bprm->len;

	for (;;) {
		size_t space, n;
		char *to;

		if (bprm->len >= bprm->limit || bprm->len - start >= MAX_ARG_STRLEN)
			return -E2BIG;
		to = string_room(bprm, &space);
		if (!to)
			return -ENOMEM;
		space = min(space, min(bprm->limit - bprm->len, MAX_ARG_STRLEN - (bprm->len - start)));
		if (str) {
			n = strnlen(str, space);
			memcpy(to, str, n);
			if (n < space)
				to[n] = 0;
		} else {
			long got = strncpy_from_user(to, ustr, space);

			if (got < 0)
				return got;
			n = got;
		}
		if (n < space) {
			bprm->len += n + 1;
			return 0;
		}
		bprm->len += space;
		if (str)
			str += space;
		else
			ustr += space;
	}
}

/* What the strings may take: a quarter of the stack limit, three quarters of its default at most. */
static size_t string_limit(void)
{
	u64 limit = min_t(u64, rlimit(RLIMIT_STACK) / 4, STACK_LIMIT_DEFAULT / 4 * 3);

	return max_t(u64, limit, ARG_MAX_FLOOR);
}

/* The vector itself can be read to its end, and is not absurdly long: looked at before any file. 0 or -errno. */
static int check_vector(const struct strings *s)
{
	size_t limit = string_limit() / sizeof(void *);
	const char __user *ustr;
	const char *str;
	int i, err;

	for (i = 0; i < limit; i++) {
		err = get_string(s, i, &str, &ustr);
		if (err || (!str && !ustr))
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return -E2BIG;
}

/* Append all of S; how many there were, or -errno. Each takes a pointer's room of the limit too. */
static int append_strings(struct linux_binprm *bprm, const struct strings *s)
{
	const char __user *ustr;
	const char *str;
	int i, err;

	for (i = 0;; i++) {
		err = get_string(s, i, &str, &ustr);
		if (err)
			return err;
		if (!str && !ustr)
			return i;
		if (bprm->limit <= bprm->len + sizeof(void *))
			return -E2BIG;
		bprm->limit -= sizeof(void *);
		err = append_string(bprm, str, ustr);
		if (err)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

static int copy_strings(struct linux_binprm *bprm, const struct strings *argv, const struct strings *envp)
{
	bprm->argc = append_strings(bprm, argv);
	if (bprm->argc < 0)
		return bprm->argc;
	if (!bprm->argc) {
		/* A program may rely on argv[0]. */
		int err = append_string(bprm, "", NULL);

		if (err)
			return err;
		bprm->argc = 1;
	}
	bprm->argv_end = bprm->len;
	bprm->envc = append_strings(bprm, envp);
	return bprm->envc < 0 ? bprm->envc : 0;
}

int setup_arg_strings(struct linux_binprm *bprm)
{
	size_t name_size = strlen(bprm->filename) + 1, at = bprm->skip;
	unsigned long p;

	bprm->exec_fn = TASK_SIZE_MAX - sizeof(void *) - name_size;
	bprm->env_end = bprm->exec_fn;
	p = bprm->exec_fn - (bprm->len - bprm->skip) - bprm->prefix_len;
	bprm->p = bprm->arg_start = p;
	bprm->arg_end = p + bprm->prefix_len + bprm->argv_end - bprm->skip;
	if (bprm->prefix_len && copy_to_user((void __user *)p, bprm->prefix, bprm->prefix_len))
		return -EFAULT;
	p += bprm->prefix_len;
	while (at < bprm->len) {
		size_t off = at % PAGE_SIZE, n = min(PAGE_SIZE - off, bprm->len - at);

		char *from = page_address(bprm->pages[at / PAGE_SIZE]);

		if (copy_to_user((void __user *)p, from + off, n))
			return -EFAULT;
		p += n;
		at += n;
	}
	return copy_to_user((void __user *)bprm->exec_fn, bprm->filename, name_size) ? -EFAULT : 0;
}

/* ---- The file ---- */

/* P as a program: a regular file that may be executed; opened, or ERR_PTR. */
static struct file *open_program(const struct path *p)
{
	struct inode *inode = p->dentry->d_inode;
	struct file *f;
	int err;

	if (!inode)
		return ERR_PTR(-ENOENT);
	if (!S_ISREG(inode->i_mode) || (p->mnt->mnt_flags & MS_NOEXEC))
		return ERR_PTR(-EACCES);
	err = inode_permission(inode, 1);
	if (err)
		return ERR_PTR(err);
	f = dentry_open(p, O_RDONLY | O_LARGEFILE);
	err = IS_ERR(f) ? 0 : deny_write_access(f);
	if (!err)
		return f;
	fput(f);
	return ERR_PTR(err);
}

struct file *open_exec(const char *name)
{
	struct path path;
	struct file *f;
	int err = kern_path(name, LOOKUP_FOLLOW, &path);

	if (err)
		return ERR_PTR(err);
	f = open_program(&path);
	path_put(&path);
	return f;
}

int prepare_binprm(struct linux_binprm *bprm)
{
	struct inode *inode = bprm->file->f_inode;
	loff_t pos = 0;
	bool set_id;
	ssize_t n;

	memset(bprm->buf, 0, sizeof(bprm->buf));
	n = kernel_read(bprm->file, bprm->buf, sizeof(bprm->buf), &pos);
	if (n < 0)
		return n;
	/* Set-uid: the ids are prepared here and taken over at the point of no return. */
	if (bprm->cred) {
		put_cred(bprm->cred);
		bprm->cred = NULL;
	}
	set_id = (inode->i_mode & (S_ISUID | S_ISGID)) && !(bprm->file->f_path.mnt->mnt_flags & MS_NOSUID) &&
		 !current->no_new_privs;
	if (!set_id && !current->cred->cap_dropped && !current->cred->cap_lowered)
		return 0;
	bprm->cred = prepare_creds();
	if (!bprm->cred)
		return -ENOMEM;
	bprm->cred->cap_dropped = bprm->cred->cap_lowered = 0;
	if (!set_id)
		return 0;
	if (inode->i_mode & S_ISUID)
		bprm->cred->euid = inode->i_uid;
	if ((inode->i_mode & S_ISGID) && (inode->i_mode & 0010))
		bprm->cred->egid = inode->i_gid;
	bprm->cred->suid = bprm->cred->fsuid = bprm->cred->euid;
	bprm->cred->sgid = bprm->cred->fsgid = bprm->cred->egid;
	return 0;
}

/* ---- One thread only ---- */

/* All other threads have ended (a dead leader may be left). => siglock, or a hint */
static bool only_thread_left(struct task_struct *leader)
{
	int left = leader == current ? 1 : 2;

	return current->signal->nr_threads == left && (leader == current || leader->exit_state);
}

/* Take LEADER's place: numbers, lists, parent. It is dead and is released. */
static void become_leader(struct task_struct *leader)
{
	struct task_struct *t = current;
	unsigned long irq;

	spin_lock(&tasklist_lock);
	spin_lock_irqsave(&t->sighand->siglock, irq);
	t->start_time_ns = leader->start_time_ns;
	exchange_pids(t, leader);
	transfer_pid(leader, t, PIDTYPE_TGID);
	transfer_pid(leader, t, PIDTYPE_PGID);
	transfer_pid(leader, t, PIDTYPE_SID);
	list_add(&t->tasks, &leader->tasks);
	list_del_init(&leader->tasks);
	list_add(&t->sibling, &leader->sibling);
	list_del_init(&leader->sibling);
	t->group_leader = leader->group_leader = t;
	t->signal->leader_task = t;
	t->exit_signal = SIGCHLD;
	leader->exit_signal = -1;
	leader->exit_state = EXIT_DEAD;
	spin_unlock_irqrestore(&t->sighand->siglock, irq);
	spin_unlock(&tasklist_lock);
	/* A timer interrupt elsewhere may still use the old leader_task. */
	tlb_remove_table_sync();
	release_task(leader);
}

/* Wait, killably, until the others are gone. */
static int wait_for_other_threads(struct task_struct *leader)
{
	for (;;) {
		bool done;

		set_current_state(TASK_KILLABLE);
		spin_lock(&tasklist_lock);
		done = only_thread_left(leader);
		spin_unlock(&tasklist_lock);
		if (done || fatal_signal_pending(current)) {
			__set_current_state(TASK_RUNNING);
			return done ? 0 : -EAGAIN;
		}
		schedule();
	}
}

int de_thread(void)
{
	struct task_struct *leader = current->group_leader;
	struct signal_struct *sig = current->signal;
	unsigned long irq;
	int err = 0;

	if (!thread_group_empty(current) || leader != current) {
		spin_lock_irqsave(&current->sighand->siglock, irq);
		if ((sig->flags & SIGNAL_GROUP_EXIT) || sig->group_exec_task)
			err = -EAGAIN;
		else
			sig->group_exec_task = current;
		if (!err)
			zap_other_threads(current);
		spin_unlock_irqrestore(&current->sighand->siglock, irq);
		if (err)
			return err;
		err = wait_for_other_threads(leader);
		spin_lock_irqsave(&current->sighand->siglock, irq);
		sig->group_exec_task = NULL;
		spin_unlock_irqrestore(&current->sighand->siglock, irq);
		if (err)
			return err;
		if (leader != current)
			become_leader(leader);
	}
	current->exit_signal = SIGCHLD;
	return 0;
}

/* Handlers that another process shares (CLONE_SIGHAND) stay as they are for it. 0 or -ENOMEM. */
static int unshare_sighand(void)
{
	struct sighand_struct *old = current->sighand, *new;
	unsigned long irq;

	if (atomic_read(&old->count) == 1)
		return 0;
	new = alloc_sighand_like(old);
	if (!new)
		return -ENOMEM;
	spin_lock(&tasklist_lock);
	spin_lock_irqsave(&old->siglock, irq);
	memcpy(new->action, old->action, sizeof(new->action));
	WRITE_ONCE(current->sighand, new);
	spin_unlock_irqrestore(&old->siglock, irq);
	spin_unlock(&tasklist_lock);
	tlb_remove_table_sync();	/* see lock_task_sighand() */
	put_sighand_struct(old);
	return 0;
}

/* ---- The point of no return ---- */

/* bprm->mm becomes ours, the old one is left. */
static void exec_mmap(struct linux_binprm *bprm)
{
	struct mm_struct *old = current->mm, *active = current->active_mm, *mm = bprm->mm;

	if (old) {
		unsigned long rss = max(old->hiwater_rss, get_mm_rss(old)) << (PAGE_SHIFT - 10);

		current->signal->maxrss = max(current->signal->maxrss, rss);
		mm_release(false);
		mm->flags |= READ_ONCE(old->flags) & MMF_INHERITED;
	}
	mm->owner = current;
	mm->oom_score_adj = current->signal->oom_score_adj;
	bprm->mm = NULL;
	spin_lock(&current->alloc_lock);
	if (old && old->owner == current)
		old->owner = NULL;
	local_irq_disable();
	current->mm = current->active_mm = mm;
	switch_mm(active, mm);
	local_irq_enable();
	spin_unlock(&current->alloc_lock);
	if (old)
		mmput(old);
	else if (active)
		mmdrop(active);		/* a kernel thread had borrowed it */
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int begin_new_exec(struct linux_binprm *bprm)
{
	const struct cred *c;
	int err;

	bprm->point_of_no_return = true;
	err = de_thread();
	if (err)
		return err;
	err = unshare_files();
	if (err)
		return err;
	set_mm_exe_file(bprm->mm, bprm->file);
	exec_mmap(bprm);
	err = unshare_sighand();
	if (err)
		return err;
	exit_itimers(current->signal);
	current->flags &= ~(PF_KTHREAD | PF_FORKNOEXEC);
	current->thread.trap_nr = current->thread.error_code = current->thread.cr2 = 0;
	fpu_reset();
	do_close_on_exec(current->files);
	set_task_comm(current, base_name(bprm->filename));
	spin_lock_irq(&current->sighand->siglock);
	flush_signal_handlers(current, false);
	spin_unlock_irq(&current->sighand->siglock);
	current->sas_ss_sp = current->sas_ss_size = 0;
	current->sas_ss_flags = SS_DISABLE;
	if (bprm->cred) {
		struct cred *new = bprm->cred;

		bprm->cred = NULL;
		commit_creds(new);
		current->pdeath_signal = 0;
	}
	c = current->cred;
	bprm->secure = c->uid != c->euid || c->gid != c->egid;
	return 0;
}

/* ---- The body ---- */

static void free_binprm(struct linux_binprm *bprm)
{
	unsigned int i;

	if (bprm->mm)
		mmput(bprm->mm);
	if (!IS_ERR_OR_NULL(bprm->file))
		fput(bprm->file);
	if (bprm->cred)
		put_cred(bprm->cred);
	for (i = 0; i < bprm->nr_pages; i++)
		__free_pages(bprm->pages[i], 0);
	kfree(bprm->pages);
	kfree(bprm->prefix);
	kfree(bprm);
}

static struct linux_binprm *alloc_binprm(char *filename)
{
	struct linux_binprm *bprm = kzalloc(sizeof(*bprm), GFP_KERNEL);

	if (!bprm)
		return NULL;
	bprm->filename = filename;
	bprm->interp = filename;
	bprm->limit = string_limit();
	bprm->pages = kmalloc((bprm->limit / PAGE_SIZE + 1) * sizeof(struct page *), GFP_KERNEL);
	bprm->mm = bprm->pages ? mm_alloc() : NULL;
	if (bprm->mm)
		return bprm;
	free_binprm(bprm);
	return NULL;
}

/* Find who understands the file; scripts lead to another file. */
static int search_binary_handler(struct linux_binprm *bprm)
{
	int depth, err;

	for (depth = 0; depth <= MAX_INTERPRETERS; depth++) {
		err = prepare_binprm(bprm);
		if (err)
			return err;
		err = load_script(bprm);
		if (err == -ENOEXEC)
			return load_elf_binary(bprm);
		if (err < 0)
			return err;
	}
	return -ELOOP;
}

/* A failure past the point of no return: there is no program any more to return to. */
static void kill_half_made_program(void)
{
	if (fatal_signal_pending(current))
		return;
	spin_lock_irq(&current->sighand->siglock);
	current->sighand->action[SIGSEGV - 1].handler = SIG_DFL;
	spin_unlock_irq(&current->sighand->siglock);
	force_sig(SIGSEGV);
}

/* Run the program FILE (reference consumed; may be ERR_PTR). 0 or -errno. */
static int do_execve_file(struct file *file, char *filename, const struct strings *argv,
			  const struct strings *envp)
{
	struct linux_binprm *bprm;
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	bprm = alloc_binprm(filename);
	if (!bprm) {
		fput(file);
		return -ENOMEM;
	}
	bprm->file = file;
	err = copy_strings(bprm, argv, envp);
	if (!err)
		err = search_binary_handler(bprm);
	if (err < 0 && bprm->point_of_no_return)
		kill_half_made_program();
	free_binprm(bprm);
	return err;
}

int kernel_execve(const char *path, const char *const *argv, const char *const *envp)
{
	struct strings args = { .kernel = argv }, env = { .kernel = envp };
	char *name = kstrdup(path, GFP_KERNEL);
	int err;

	if (!name)
		return -ENOMEM;
	err = do_execve_file(open_exec(name), name, &args, &env);
	kfree(name);
	return err;
}

/* A user's path as a kernel string to be freed, or ERR_PTR. PREFIX is put before it. */
static char *copy_name(const char __user *uname, const char *prefix)
{
	size_t n = strlen(prefix);
	char *name = kmalloc(n + PATH_MAX, GFP_KERNEL);
	long len;

	if (!name)
		return ERR_PTR(-ENOMEM);
	memcpy(name, prefix, n);
	len = strncpy_from_user(name + n, uname, PATH_MAX);
	if (len >= 0 && len < PATH_MAX)
		return name;
	kfree(name);
	return ERR_PTR(len < 0 ? len : -ENAMETOOLONG);
}

SYSCALL_DEFINE3(execve, const char __user *, uname, const char __user *const __user *, uargv,
		const char __user *const __user *, uenvp)
{
	struct strings argv = { .user = uargv }, envp = { .user = uenvp };
	char *name = copy_name(uname, "");
	int err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	err = check_vector(&argv);
	if (!err)
		err = check_vector(&envp);
	if (!err)
		err = *name ? do_execve_file(open_exec(name), name, &argv, &envp) : -ENOENT;
	kfree(name);
	return err;
}

/* The file that execveat(2) names; ERR_PTR. */
static struct file *open_execveat(int dfd, const char __user *uname, int flags)
{
	unsigned int lookup = (flags & AT_SYMLINK_NOFOLLOW) ? 0 : LOOKUP_FOLLOW;
	struct path path;
	struct file *f;
	int err;

	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path_at(dfd, uname, lookup, &path);
	if (err)
		return ERR_PTR(err);
	if (path.dentry->d_inode && S_ISLNK(path.dentry->d_inode->i_mode))
		f = ERR_PTR(-ELOOP);
	else
		f = open_program(&path);
	path_put(&path);
	return f;
}

SYSCALL_DEFINE5(execveat, int, dfd, const char __user *, uname, const char __user *const __user *, uargv,
		const char __user *const __user *, uenvp, int, flags)
{
	struct strings argv = { .user = uargv }, envp = { .user = uenvp };
	char *name, prefix[24], first;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (copy_from_user(&first, uname, 1))
		return -EFAULT;
	/* A path relative to a descriptor is named through /dev/fd, so that an interpreter can open it. */
	if (dfd == AT_FDCWD || first == '/')
		prefix[0] = 0;
	else
		snprintf(prefix, sizeof(prefix), first ? "/dev/fd/%d/" : "/dev/fd/%d", dfd);
	name = copy_name(uname, prefix);
	if (IS_ERR(name))
		return PTR_ERR(name);
	err = check_vector(&argv);
	if (!err)
		err = check_vector(&envp);
	if (!err)
		err = do_execve_file(open_execveat(dfd, uname, flags), name, &argv, &envp);
	kfree(name);
	return err;
}

/* ---- Names of tasks ---- */

void set_task_comm(struct task_struct *t, const char *name)
{
	spin_lock(&t->alloc_lock);
	strscpy(t->comm, name, sizeof(t->comm));
	spin_unlock(&t->alloc_lock);
}

void get_task_comm(char buf[TASK_COMM_LEN], struct task_struct *t)
{
	spin_lock(&t->alloc_lock);
	memcpy(buf, t->comm, TASK_COMM_LEN);
	spin_unlock(&t->alloc_lock);
}
