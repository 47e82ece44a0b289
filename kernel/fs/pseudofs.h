/*
 * kernel/fs/pseudofs.h - one mechanism for procfs, sysfs and debugfs: a tree of named files made by the kernel.
 *
 * A file is defined by its ops: SHOW produces the whole text (single), SEQ iterates, WRITE takes one written
 * value (a kernel copy, NUL-terminated, at most one page; for sysfs rules of ABI-5 the writer parses it). Or FOPS gives
 * full control. Registering files never fails at boot except for lack of memory (panic).
 */
#ifndef KERNEL_FS_PSEUDOFS_H
#define KERNEL_FS_PSEUDOFS_H

#include "kernel/fs/seq_file.h"

struct pseudo_node;

struct pseudo_ops {
	int (*show)(struct seq_file *m, void *data);
	const struct seq_operations *seq;
	/* Returns LEN or bytes taken, or -errno. BUF[LEN] == 0. DATA: given at creation; TASK: of /proc/PID or NULL. */
	ssize_t (*write)(struct file *f, char *buf, size_t len, void *data, struct task_struct *task);
	const struct file_operations *fops;	/* instead of all the above; pseudo_data(file), pseudo_task(file) */
	void (*truncate)(void *data);		/* opened with O_TRUNC: the contents are to go. NULL: nothing happens */
	size_t max_write;			/* 0: PAGE_SIZE - 1; longer writes: -EINVAL */
};
extern struct pseudo_node *proc_root, *sysfs_root, *debugfs_root;
/* /sys/kernel/debug/quire. Usable from fs_initcall on; the roots above too. */
extern struct pseudo_node *quire_debug_root;
/* /sys/kernel/debug/tracing, which is also what a mount of tracefs shows. */
extern struct pseudo_node *tracefs_root;

/* A directory (found if it exists). */
struct pseudo_node *pseudo_mkdir(struct pseudo_node *parent, const char *name);
/* Directory path below PARENT, made as needed: "kernel/mm/transparent_hugepage". */
struct pseudo_node *pseudo_mkpath(struct pseudo_node *parent, const char *path);
/* A file; MODE the permission bits. OPS must stay. */
struct pseudo_node *pseudo_create(struct pseudo_node *parent, const char *name, umode_t mode,
				  const struct pseudo_ops *ops, void *data);
/* A symbolic link. */
struct pseudo_node *pseudo_symlink(struct pseudo_node *parent, const char *name, const char *target);

/*
 * A file in every /proc/PID (and /proc/PID/task/TID). m->task and pseudo_task(f) are that task, referenced.
 * PTRACE: opening needs the right to ptrace the task (same uid, or root): EACCES.
 */
void proc_pid_create(const char *name, umode_t mode, const struct pseudo_ops *ops, void *data, unsigned int flags);
#define PROC_PID_PTRACE 1u
#define PROC_PID_NOTASK 2u	/* not in task/TID */
/* A link in every /proc/PID (exe, cwd, root): GET_PATH fills RES with a referenced path, or -errno. */
void proc_pid_link(const char *name, int (*get_path)(struct task_struct *t, struct path *res));

/* DATA given at creation; the task of a file under /proc/PID, or NULL. */
void *pseudo_data(struct file *f);
struct task_struct *pseudo_task(struct file *f);

/* /proc/sys: "vm/overcommit_memory" as an int with limits; a text; or own ops through pseudo_mkpath(proc_root, "sys/..."). */
struct pseudo_node *proc_sys_int(const char *path, umode_t mode, int *value, int min, int max);

#endif
