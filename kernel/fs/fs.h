/*
 * kernel/fs/fs.h - the virtual file system: inodes, dentries, open files, mounts.
 *
 * Small on purpose: every file system here lives in memory, so the dentry tree IS the directory (as in Linux's
 * ramfs). tmpfs-like directories keep all their dentries; procfs makes PID dentries on lookup.
 *
 * Locks: i_rwsem (directory changes, writes) > rename_mutex (all renames that move between directories are one
 * at a time) ; dcache_lock (spinlock: parent, child lists, d_inode, mount points); f_pos_lock per open file.
 */
#ifndef KERNEL_FS_FS_H
#define KERNEL_FS_FS_H

#include "kernel/lib/atomic.h"
#include "kernel/lib/interval_tree.h"
#include "kernel/lib/list.h"
#include "kernel/lib/xarray.h"
#include "kernel/locking/mutex.h"
#include "kernel/locking/wait.h"
#include "kernel/sched/time.h"

struct cred;
struct dentry;
struct file;
struct inode;
struct kstat;
struct mm_struct;
struct mount;
struct page;
struct folio;
struct pipe_inode_info;
struct poll_table;
struct super_block;
struct vm_area_struct;

#define S_IFMT	 00170000
#define S_IFSOCK 0140000
#define S_IFLNK	 0120000
#define S_IFREG	 0100000
#define S_IFBLK	 0060000
#define S_IFDIR	 0040000
#define S_IFCHR	 0020000
#define S_IFIFO	 0010000
#define S_ISUID	 0004000
#define S_ISGID	 0002000
#define S_ISVTX	 0001000
#define S_ISLNK(m) (((m) & S_IFMT) == S_IFLNK)
#define S_ISREG(m) (((m) & S_IFMT) == S_IFREG)
#define S_ISDIR(m) (((m) & S_IFMT) == S_IFDIR)
#define S_ISCHR(m) (((m) & S_IFMT) == S_IFCHR)
#define S_ISBLK(m) (((m) & S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m) & S_IFMT) == S_IFIFO)
#define O_ACCMODE	03
#define O_RDONLY	00
#define O_WRONLY	01
#define O_RDWR		02
#define O_CREAT		0100
#define O_EXCL		0200
#define O_NOCTTY	0400
#define O_TRUNC		01000
#define O_APPEND	02000
#define O_NONBLOCK	04000
#define O_DIRECT	040000
#define O_LARGEFILE	0100000
#define O_DIRECTORY	0200000
#define O_NOFOLLOW	0400000
#define O_CLOEXEC	02000000
#define O_PATH		010000000
#define O_TMPFILE	(020000000 | O_DIRECTORY)
#define AT_FDCWD		-100
#define AT_SYMLINK_NOFOLLOW	0x100
#define AT_REMOVEDIR		0x200
#define AT_SYMLINK_FOLLOW	0x400
#define AT_EMPTY_PATH		0x1000
#define MKDEV(ma, mi)	((dev_t)(((ma) << 20) | (mi)))
#define MAJOR(d)	((d) >> 20)
#define MINOR(d)	((d) & 0xfffff)
#define FMODE_READ	0x1
#define FMODE_WRITE	0x2
#define FMODE_LSEEK	0x4
#define FMODE_PATH	0x4000
#define FMODE_WRITER	0x10000		/* counted in i_writecount */
#define FMODE_DENY_WRITE 0x20000	/* a program's file: nobody may open it for writing */
#define TMPFS_MAGIC	0x01021994
#define PROC_SUPER_MAGIC 0x9fa0
#define SYSFS_MAGIC	0x62656572
#define DEBUGFS_MAGIC	0x64626720
#define TRACEFS_MAGIC	0x74726163
#define DEVPTS_MAGIC	0x1cd1
#define PIPEFS_MAGIC	0x50495045
#define ANON_INODE_MAGIC 0x09041934
#define MAX_RW_COUNT	0x7ffff000

/* The page cache of one object: shmem pages (shmem.c), later blocks of a disk. */
struct address_space {
	struct inode *host;
	spinlock_t tree_lock;		/* i_pages, nrpages: "page-cache tree lock" of LOCK-1 */
	struct xarray i_pages;		/* folios, each holding a reference; swap entries as values */
	unsigned long nrpages, nrswapped;	/* tree_lock: of the ones and of the others */
	struct list_head swaplist;	/* shmem_swap.c: its lock */
	struct rw_semaphore i_mmap_rwsem;	/* "file rmap lock" of LOCK-1 */
	struct rb_root i_mmap;		/* VMAs by page index: vma->shared_node */
	atomic_t i_mmap_writable;	/* writable shared mappings; < 0: sealed */
};

struct inode {
	umode_t i_mode;
	uid_t i_uid;
	gid_t i_gid;
	u64 i_ino;
	unsigned int i_nlink;		/* i_rwsem of the parent */
	loff_t i_size;			/* i_rwsem; read without */
	u64 i_blocks;			/* 512-byte units */
	struct timespec64 i_atime, i_mtime, i_ctime;
	dev_t i_rdev;
	struct super_block *i_sb;
	const struct inode_operations *i_op;
	const struct file_operations *i_fop;
	struct address_space i_data, *i_mapping;	/* i_mapping = &i_data */
	struct rw_semaphore i_rwsem;
	atomic_t i_count;
	spinlock_t i_lock;
	struct pipe_inode_info *i_pipe;	/* FIFOs */
	char *i_link;			/* symlink text, freed with the inode */
	void *i_private;
	unsigned int i_seals;		/* memfd */
	atomic_t i_writecount;		/* files open for writing; < 0: programs running from it (ETXTBSY) */
	struct list_head i_flock;	/* flock and record locks: locks.c */
	bool i_linkable;		/* made by O_TMPFILE: link(2) may give it its first name */
};

struct dentry {
	struct dentry *d_parent;	/* the root's is itself */
	struct inode *d_inode;		/* NULL: negative */
	char *d_name;
	unsigned int d_namelen;
	struct list_head d_children, d_sibling;
	struct super_block *d_sb;
	atomic_t d_count;		/* tmpfs-like entries hold one of their own while linked */
	unsigned int d_flags;
	struct mount *d_mounted;	/* what is mounted here */
	void *d_fsdata;
	struct dentry *d_hash;		/* dcache_lock: next with the same hash; see dcache.c */
	u64 d_off;			/* c while linked: its position for getdents; later entries have larger ones */
};
#define DCACHE_UNLINKED 1		/* removed from its directory: "(deleted)"; of a directory: nothing may be created in it */
#define DCACHE_DNAME	2		/* no place in any tree: d_name is all there is ("pipe:[7]") */
#define DCACHE_HASHED	4		/* can be found by name */

struct path { struct mount *mnt; struct dentry *dentry; };

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint, *mnt_root;
	struct super_block *mnt_sb;
	unsigned int mnt_flags;		/* MS_RDONLY, MS_NOSUID... */
	atomic_t mnt_count;
	struct list_head mnt_list;	/* in mount order: /proc/mounts */
	char *mnt_devname;
	struct mount *mnt_next;		/* dcache_lock: other mounts whose mount point is the same dentry */
	int mnt_id;
};
#define MS_RDONLY	1u
#define MS_NOSUID	2u
#define MS_NODEV	4u
#define MS_NOEXEC	8u
#define MS_REMOUNT	32u
#define MS_NOATIME	1024u
#define MS_BIND		4096u
#define MS_MOVE		8192u
#define MS_SILENT	0x8000u
#define MS_RELATIME	(1u << 21)

struct super_block {
	u64 s_magic;
	dev_t s_dev;
	struct dentry *s_root;
	struct file_system_type *s_type;
	atomic_t s_active;
	atomic_long_t s_next_ino;
	void *s_fs_info;
	const struct super_operations *s_op;
	unsigned int s_flags;
};
struct super_operations {
	void (*evict_inode)(struct inode *inode);	/* last reference and no links: free what it holds */
	int (*statfs)(struct super_block *sb, u64 *blocks, u64 *bfree, u64 *files, u64 *ffree);
	void (*put_super)(struct super_block *sb);
	int (*remount)(struct super_block *sb, char *data);
	int (*show_options)(struct super_block *sb, char *buf, size_t size);
};
struct file_system_type {
	const char *name;
	bool nodev;
	/* New or shared superblock for a mount; DATA is the option text. ERR_PTR on failure. */
	struct super_block *(*get_sb)(struct file_system_type *t, const char *devname, char *data, unsigned int flags);
	struct list_head list;
};
/* Make T known to mount(2). T stays. */
void register_filesystem(struct file_system_type *t);

struct inode_operations {
	/* DIR's i_rwsem held (shared for lookup, exclusive for changes). Return 0 or -errno. */
	struct dentry *(*lookup)(struct inode *dir, const char *name, unsigned int len, struct dentry *parent);	/* dynamic directories; ERR_PTR */
	int (*create)(struct inode *dir, struct dentry *d, umode_t mode, dev_t dev);	/* files, FIFOs, devices */
	int (*mkdir)(struct inode *dir, struct dentry *d, umode_t mode);
	int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
	int (*link)(struct dentry *old, struct inode *dir, struct dentry *d);
	int (*unlink)(struct inode *dir, struct dentry *d);
	int (*rmdir)(struct inode *dir, struct dentry *d);
	int (*rename)(struct inode *olddir, struct dentry *old, struct inode *newdir, struct dentry *new, unsigned int flags);
	int (*tmpfile)(struct inode *dir, struct dentry *d, umode_t mode);
	int (*setattr)(struct dentry *d, struct kstat *st, unsigned int valid);
	int (*getattr)(struct dentry *d, struct kstat *st);
	/* Follow this link: either text into BUF (returns length), or a direct jump into *RES (returns 0). */
	int (*readlink)(struct dentry *d, char *buf, size_t size);
	int (*get_path)(struct dentry *d, struct path *res);
	int (*permission)(struct inode *inode, int mask);
};
#define ATTR_MODE 1
#define ATTR_UID 2
#define ATTR_GID 4
#define ATTR_SIZE 8
#define ATTR_ATIME 16
#define ATTR_MTIME 32
struct kstat {
	u64 ino, size, blocks;
	dev_t dev, rdev;
	umode_t mode;
	u32 nlink, blksize;
	uid_t uid;
	gid_t gid;
	struct timespec64 atime, mtime, ctime;
};

/*
 * Data on its way in or out: user memory (iov) or kernel memory. copy_to_iter/copy_from_iter advance it and
 * return the bytes done (less than asked: a fault).
 */
struct iovec { void __user *iov_base; size_t iov_len; };
struct iov_iter {
	bool kernel;
	const struct iovec *iov;
	unsigned int nr_segs;
	size_t iov_offset, count;
	char *kbuf;
};
/*
 * Set up IT over user segments or a kernel buffer, then copy: the number of bytes copied is less than N if a user
 * page cannot be reached. => may sleep on user memory
 */
void iov_iter_user(struct iov_iter *it, const struct iovec *iov, unsigned int nr, size_t count);
void iov_iter_kernel(struct iov_iter *it, void *buf, size_t count);
size_t copy_to_iter(const void *from, size_t n, struct iov_iter *it);
size_t copy_from_iter(void *to, size_t n, struct iov_iter *it);
size_t clear_iter(size_t n, struct iov_iter *it);

struct dir_context {
	/* One entry; returns false when the buffer is full. POS is the offset of the NEXT entry. */
	bool (*actor)(struct dir_context *ctx, const char *name, int namelen, loff_t pos, u64 ino, unsigned int type);
	loff_t pos;
};
/* poll(): the method registers on every wait queue that may change the answer, and returns the EPOLL mask. */
struct poll_table { void (*queue)(struct poll_table *pt, wait_queue_head_t *wq); };
static inline void poll_wait(struct file *f, wait_queue_head_t *wq, struct poll_table *pt) { (void)f; if (pt && pt->queue) pt->queue(pt, wq); }
#define EPOLLIN 0x1
#define EPOLLPRI 0x2
#define EPOLLOUT 0x4
#define EPOLLERR 0x8
#define EPOLLHUP 0x10
#define EPOLLNVAL 0x20
#define EPOLLRDNORM 0x40
#define EPOLLWRNORM 0x100
#define EPOLLRDHUP 0x2000

struct file_operations {
	/* All may sleep and return bytes or -errno. POS is the position to use and to advance. */
	ssize_t (*read)(struct file *f, struct iov_iter *to, loff_t *pos);
	ssize_t (*write)(struct file *f, struct iov_iter *from, loff_t *pos);
	loff_t (*llseek)(struct file *f, loff_t off, int whence);	/* NULL: -ESPIPE */
	int (*iterate)(struct file *f, struct dir_context *ctx);
	unsigned int (*poll)(struct file *f, struct poll_table *pt);	/* NULL: always ready */
	long (*ioctl)(struct file *f, unsigned int cmd, unsigned long arg);	/* -ENOTTY: unknown */
	int (*mmap)(struct file *f, struct vm_area_struct *vma);	/* NULL: -ENODEV */
	int (*open)(struct inode *inode, struct file *f);
	void (*release)(struct inode *inode, struct file *f);		/* last reference went */
	int (*flush)(struct file *f);					/* each close(2) */
	int (*fsync)(struct file *f);
	long (*fallocate)(struct file *f, int mode, loff_t off, loff_t len);
	ssize_t (*splice_read)(struct file *f, loff_t *pos, struct pipe_inode_info *pipe, size_t len, unsigned int flags);
	void (*show_fdinfo)(struct file *f, char *buf, size_t size);
};

struct file {
	atomic_t f_count;
	struct path f_path;
	struct inode *f_inode;
	const struct file_operations *f_op;
	unsigned int f_mode;		/* FMODE_* */
	unsigned int f_flags;		/* O_* ; F_SETFL changes some */
	loff_t f_pos;			/* f_pos_lock */
	struct mutex f_pos_lock;
	void *private_data;
	const struct cred *f_cred;	/* of the opener */
	const char *f_anon_name;	/* "pipe:[n]" style name for /proc/PID/fd, anonymous files only; NULL: use the path */
};
static inline void get_file(struct file *f) { atomic_inc(&f->f_count); }
void fput(struct file *f);	/* may sleep: the last one calls release */

/* Generic pieces. */
struct inode *new_inode(struct super_block *sb);	/* i_count 1, i_nlink 1, number set; NULL: no memory */
void ihold(struct inode *inode);
void iput(struct inode *inode);				/* may sleep */
struct dentry *d_alloc(struct dentry *parent, const char *name, unsigned int len);
void dget(struct dentry *d);
void dput(struct dentry *d);
loff_t generic_file_llseek(struct file *f, loff_t off, int whence);
loff_t noop_llseek(struct file *f, loff_t off, int whence);
int noop_fsync(struct file *f);				/* 0: all is where it belongs */
int generic_permission(struct inode *inode, int mask);	/* MAY_READ 4, MAY_WRITE 2, MAY_EXEC 1 */
int inode_permission(struct inode *inode, int mask);
void path_get(const struct path *p);
void path_put(const struct path *p);
/* Absolute path of P as the current task sees it into BUF; pointer into BUF, or ERR_PTR(-ENAMETOOLONG). */
char *d_path(const struct path *p, char *buf, int size);
/* NULL-terminated kernel string; follows links unless LOOKUP_NOFOLLOW. 0, or -errno and RES untouched. */
int kern_path(const char *name, unsigned int flags, struct path *res);
#define LOOKUP_FOLLOW 1u
#define LOOKUP_DIRECTORY 2u
#define LOOKUP_EMPTY 0x4000u
/* The file system forbids to execute programs from P (mount flag noexec). */
bool path_noexec(const struct path *p);
int user_path_at(int dfd, const char __user *name, unsigned int flags, struct path *res);
struct file *filp_open(const char *name, int flags, umode_t mode);	/* ERR_PTR */
/* F is a program about to run: nobody may open its inode for writing until F is closed. 0 or -ETXTBSY. */
int deny_write_access(struct file *f);
struct file *dentry_open(const struct path *p, int flags);	/* takes its own reference on P */
/* A file without a directory entry (pidfd, eventfd, memfd): anonymous inode of its own. ERR_PTR. */
struct file *anon_inode_getfile(const char *name, const struct file_operations *fops, void *priv, int flags);
int anon_inode_getfd(const char *name, const struct file_operations *fops, void *priv, int flags);
ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t *pos);
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t *pos);
int vfs_getattr(const struct path *p, struct kstat *st);

/* Devices: char drivers register major and a range of minors; mknod and devtmpfs nodes reach them. */
int register_chrdev(unsigned int major, unsigned int minor, unsigned int count, const struct file_operations *fops, void *priv);
/* The same for nodes of type S_IFBLK. In both, open sees PRIV in f->private_data. */
int register_blkdev(unsigned int major, unsigned int minor, unsigned int count, const struct file_operations *fops, void *priv);
/* Entry in devtmpfs (and in the initramfs' /dev at boot): MODE with S_IFCHR or S_IFBLK. */
int devtmpfs_create(const char *name, umode_t mode, dev_t dev);

/* Open files of a process: kernel/fs/file_table.c. */
struct files_struct;
struct files_struct *dup_fd(struct files_struct *old);	/* fork; NULL: no memory */
struct files_struct *files_alloc(void);
void put_files_struct(struct files_struct *fs);
void get_files_struct(struct files_struct *fs);
int unshare_files(void);				/* exec: own table if shared */
void do_close_on_exec(struct files_struct *fs);
int get_unused_fd_flags(unsigned int flags);		/* lowest free, reserved; -EMFILE, -ENOMEM */
void put_unused_fd(int fd);
void fd_install(int fd, struct file *f);		/* consumes the reference */
struct file *fget(int fd);				/* referenced, no O_PATH; NULL: EBADF */
struct file *fget_raw(int fd);				/* O_PATH too */
int close_fd(int fd);
/* For /proc/PID/fd: file number FD of T, referenced, or NULL; next used fd >= FD or -1. */
struct file *fget_task(struct task_struct *t, int fd);
int task_next_fd(struct task_struct *t, int fd);

/* Where a process is: kernel/fs/fs_struct.c. */
struct fs_struct {
	atomic_t users;
	spinlock_t lock;
	umode_t umask;
	struct path root, pwd;
};
struct fs_struct *copy_fs_struct(struct fs_struct *old);	/* NULL: no memory */
void put_fs_struct(struct fs_struct *fs);
void get_fs_root(struct path *p);
void get_fs_pwd(struct path *p);

/* Boot. */
void vfs_init(void);			/* core: caches, rootfs mounted, init_task.fs and files set */
int unpack_initramfs(void);		/* from boot_info.initrd_*; frees its memory; 0 or -errno after a clear line */
int console_on_rootfs(void);		/* opens /dev/console as fds 0, 1, 2 of the current task */

#endif
