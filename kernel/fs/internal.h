/*
 * kernel/fs/internal.h - what the files of this folder share and nobody else needs.
 */
#ifndef KERNEL_FS_INTERNAL_H
#define KERNEL_FS_INTERNAL_H

#include "kernel/fs/fs.h"
#include "kernel/lib/err.h"
#include "kernel/lib/string.h"
#include "kernel/task/cred.h"
#include "mm/slab.h"

#define NAME_MAX	255
#define PATH_MAX	4096
#define MAY_EXEC	1
#define MAY_WRITE	2
#define MAY_READ	4
#define F_OK_MASK	7
#define MAXSYMLINKS	40
#define DT_UNKNOWN	0
#define DT_DIR		4
#define DT_LNK		10

/* dcache.c: the tree of names. dcache_lock is a leaf: nothing is taken, nothing sleeps while it is held. */
extern spinlock_t dcache_lock;
extern struct mutex rename_mutex;		/* class "rename_mutex": outside all i_rwsems */
/* Root of a superblock; consumes the reference to INODE, also on failure. NULL: no memory. */
struct dentry *d_make_root(struct super_block *sb, struct inode *inode);
/* A dentry outside any tree, named NAME; FLAGS: DCACHE_UNLINKED or DCACHE_DNAME. INODE's reference moves to
 * it. NULL. */
struct dentry *d_alloc_detached(struct super_block *sb, const char *name, struct inode *inode,
				unsigned int flags);
/* The linked child of PARENT with that name, referenced, or NULL. */
struct dentry *d_lookup(struct dentry *parent, const char *name, unsigned int len);
/* Give a negative dentry its inode; consumes the caller's inode reference. */
static inline void d_instantiate(struct dentry *d, struct inode *inode) { d->d_inode = inode; }
/*
 * Link D below d_parent: it can be found, and is kept. => parent's i_rwsem for write (or the tree is private)
 */
void d_add(struct dentry *d);
/* Undo d_add: the name is gone, the object lives on while referenced. => as d_add */
void d_unlink(struct dentry *d);
/* OLD takes NEW's parent and name; NEW (unlinked) takes OLD's name. => both directories' i_rwsem,
 * rename_mutex if two */
void d_move(struct dentry *old, struct dentry *new);
/* Two linked dentries change places. => as d_move */
void d_exchange(struct dentry *a, struct dentry *b);
bool d_empty(struct dentry *dir);
/* A is D or above D in its tree. => rename_mutex */
bool d_is_ancestor(struct dentry *a, struct dentry *d);
/* Unlink everything below and drop the root: the superblock is dead. */
void d_kill_tree(struct dentry *root);
/* Directories whose dentries are all in memory. */
int dcache_readdir(struct file *f, struct dir_context *ctx);
bool dcache_emit(struct file *f, struct dir_context *ctx);	/* the same; false: the buffer is full */
loff_t dcache_dir_llseek(struct file *f, loff_t off, int whence);
bool dir_emit(struct dir_context *ctx, const char *name, unsigned int len, u64 next, u64 ino, umode_t mode);
/* "." and ".." at positions 0 and 1; false: the buffer is full. */
bool dir_emit_dots(struct file *f, struct dir_context *ctx);
ssize_t generic_read_dir(struct file *f, struct iov_iter *to, loff_t *pos);	/* -EISDIR */
#define DIR_OFF_FIRST 2			/* position of the first entry after the dots */

/* inode.c */
struct timespec64 current_time(void);
void inode_set_ctime(struct inode *inode);	/* ctime = now */
void inode_set_mtime(struct inode *inode);	/* ctime = mtime = now */
void generic_fillattr(struct inode *inode, struct kstat *st);
void setattr_copy(struct inode *inode, const struct kstat *st, unsigned int valid);
/* Owner, group and mode of a new object in DIR (NULL: none), from the caller's credentials. */
void inode_init_owner(struct inode *inode, const struct inode *dir, umode_t mode);
bool inode_owner_or_root(const struct inode *inode);
/* Superblock with s_active 1, a device number of its own; no root yet. NULL: no memory. */
struct super_block *sb_alloc(struct file_system_type *t, u64 magic, const struct super_operations *op);
void deactivate_super(struct super_block *sb);

/* namei.c */
enum last_type { LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
struct nameidata {
	struct path path;		/* where the walk stands: referenced */
	struct path root;		/* of the process */
	unsigned int flags;		/* LOOKUP_* */
	int links;			/* symbolic links followed so far */
	char *buf;			/* the path with a link's text put in: owned */
	enum last_type last_type;	/* with LOOKUP_PARENT: the last component, not looked up */
	unsigned int last_len;
	bool last_slash;		/* a slash follows it */
	char last[NAME_MAX + 1];
};
#define LOOKUP_PARENT 0x10u
/* A user's path in a buffer; ERR_PTR. => may sleep; free with putname */
char *getname(const char __user *name, unsigned int flags);
void putname(char *name);
/* Look NAME up from DFD (or the root, if absolute). 0: RES is referenced. */
int path_lookup(int dfd, const char *name, unsigned int flags, struct path *res);
int nd_begin(struct nameidata *nd, int dfd, const char *name, unsigned int flags);
int nd_walk(struct nameidata *nd, const char *name);
void nd_end(struct nameidata *nd);
/* The child LEN bytes of NAME of DIR, which may make it on the spot. Referenced, positive, or
 * ERR_PTR(-ENOENT...). */
struct dentry *lookup_child(struct dentry *dir, const char *name, unsigned int len, bool locked);
/* Go down from P to what is mounted on it, as often as needed; swaps references. */
void follow_mount(struct path *p);
/* P is a symbolic link in the directory ND->path; REST follows it. Consumes P. 0: jumped; 1: *NEXT is the
 * text to walk. */
int follow_link(struct nameidata *nd, struct path *p, const char *rest, bool slash, const char **next);

/* dir_ops.c */
int may_create(struct path *dir);
/*
 * Begin to make NAME: its directory is walked to and locked, and the name is free. A fresh dentry, or ERR_PTR
 * with nothing held. ISDIR: a slash may follow. => on success end with create_end(), which drops the dentry
 * too
 */
struct dentry *create_begin(struct nameidata *nd, int dfd, const char *name, bool isdir);
void create_end(struct nameidata *nd, struct dentry *d);
int unlink_path(int dfd, const char *name, bool isdir);
int vfs_create(struct path *dir, struct dentry *d, umode_t mode, dev_t dev);

/* open.c */
int vfs_open(struct file *f, const struct path *p);
struct file *alloc_file(int flags);		/* references nothing yet; ERR_PTR */
/* Open file on detached dentry D of MNT; consumes D on success. ERR_PTR. */
struct file *alloc_file_pseudo(struct mount *mnt, struct dentry *d, int flags,
			       const struct file_operations *fops);
/* For open(2) and exec: look up or make the file, then open it. ERR_PTR. The next two take i_rwsem; 0 or -errno. */
struct file *do_filp_open(int dfd, const char *name, int flags, umode_t mode);
int do_truncate(const struct path *p, loff_t len);
int notify_change(const struct path *p, const struct kstat *st, unsigned int valid);

/* mount.c */
extern struct list_head mount_list;		/* mount_mutex */
extern struct mutex mount_mutex;
void mntget(struct mount *m);
void mntput(struct mount *m);
struct mount *lookup_mnt(struct mount *parent, struct dentry *d);	/* => dcache_lock */
static inline bool mnt_readonly(const struct path *p)
{
	return (p->mnt->mnt_flags | p->mnt->mnt_sb->s_flags) & MS_RDONLY;
}
struct mount *kern_mount(struct file_system_type *t);	/* in no name space; panics without memory (boot) */
extern struct file_system_type tmpfs_type, rootfs_type;
/* Boot: the first mount, and the root of init. Panics without memory. */
void mount_rootfs(void);
int path_mount(struct path *p, struct file_system_type *t, const char *devname, char *data,
	       unsigned int flags);
/* The registered type NAME, or NULL. */
struct file_system_type *get_fs_type(const char *name);

/* The rest. */
extern const struct file_operations pipefifo_fops;
extern const struct inode_operations empty_iops;
/* anon_inode.c: file systems that hold what has no name; mounted nowhere. */
extern struct mount *anon_mnt, *pipe_mnt, *sock_mnt;
void anon_inode_init(void);
/* A dentry "KIND:[number]" with a new inode of MODE on MNT, owned by the caller. ERR_PTR. */
struct dentry *anon_dentry(struct mount *mnt, const char *kind, umode_t mode);
/* Two descriptors for F[0] and F[1] (consumed, also on failure), numbers stored at UFD. 0 or -errno. */
int install_pair(struct file *f[2], int flags, int __user *ufd);
/* chrdev.c: driver of F's device node into f_op and private_data, then its open. */
int device_open(struct inode *inode, struct file *f);
void files_init(void);
void locks_remove_file(struct file *f);		/* last close: flock */
void locks_remove_posix(struct file *f, struct files_struct *owner);	/* a close(2) in that process */
long fcntl_setlk(struct file *f, unsigned int cmd, void __user *arg);
long fcntl_getlk(struct file *f, void __user *arg);
int filp_close(struct file *f, struct files_struct *owner);
void pseudofs_init(void);		/* proc_root, sysfs_root, debugfs_root and their file systems */
void proc_base_init(void);
void devtmpfs_init(void);
ssize_t vfs_read(struct file *f, struct iov_iter *to, loff_t *pos);
ssize_t vfs_write(struct file *f, struct iov_iter *from, loff_t *pos);
/* Copy in and check an iovec array; FAST holds UIO_FASTIOV. *IOV is to be kfreed if it is not FAST. Total or
 * -errno. */
#define UIO_FASTIOV 8
ssize_t import_iovec(const struct iovec __user *uvec, unsigned long nr, struct iovec *fast,
		     struct iovec **iov);
/* The commands of fcntl(2) that only memfds (seals) and pipes (their size) know. */
long memfd_fcntl(struct file *f, unsigned int cmd, unsigned long arg);
long pipe_fcntl(struct file *f, unsigned int cmd, unsigned long arg);
/* file_table.c, for fcntl: the close-on-exec flag; a duplicate at the lowest number >= FROM (takes its own
 * reference). */
int fd_get_cloexec(unsigned int fd);
void fd_set_cloexec(unsigned int fd, bool on);
int fd_dup_from(struct file *f, unsigned int from, unsigned int flags);
/* The path of D from the root of its file system, at the end of BUF; ERR_PTR(-ENAMETOOLONG). */
char *dentry_path(struct dentry *d, char *buf, int size);
/* d_path() with a root of the caller's choice; *REACHED: P lies below it. */
char *d_path_from(const struct path *p, const struct path *root, char *buf, int size, bool *reached);

#endif
