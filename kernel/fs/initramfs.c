/*
 * kernel/fs/initramfs.c - from the cpio archive that the boot loader left in memory to the root file system.
 *
 * Before it, as Linux's built-in archive does: /dev, /dev/console and /root, so that init has a console
 * before anybody mounts devtmpfs. Directories that the archive forgot are made. What comes twice replaces
 * what was there. Linux: init/initramfs.c.
 */
#include "kernel/fs/internal.h"
#include "arch-x86_64/setup.h"
#include "kernel/lib/cpio.h"
#include "mm/memblock.h"

/*
 * "./a/b/" and "/a/b" become "a/b" in BUF, from the root: "/a/b". False: nothing is left, or it is too long.
 */
static bool clean_name(const char *name, char *buf)
{
	size_t len;

	while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
		name++;
	len = strlen(name);
	while (len && name[len - 1] == '/')
		len--;
	if (!len || (len == 1 && name[0] == '.') || len + 2 > PATH_MAX)
		return false;
	buf[0] = '/';
	memcpy(buf + 1, name, len);
	buf[len + 1] = '\0';
	return true;
}

/* Make the directory PATH. 0 also when it is there. */
static int make_dir(const char *path, umode_t mode)
{
	struct nameidata nd;
	struct dentry *d = create_begin(&nd, AT_FDCWD, path, true);
	int err = PTR_ERR(d);

	if (!IS_ERR(d)) {
		struct inode *dir = nd.path.dentry->d_inode;

		err = dir->i_op->mkdir(dir, d, mode);
		create_end(&nd, d);
	}
	return err == -EEXIST ? 0 : err;
}

/* All directories above PATH, which is altered and put right again. */
static int make_parents(char *path)
{
	int err = 0;

	for (char *p = path + 1; !err && (p = strchr(p, '/')); p++) {
		*p = '\0';
		err = make_dir(path, 0755);
		*p = '/';
	}
	return err;
}

/* Make PATH, a node of type and rights MODE or (TARGET) a symbolic link. */
static int make_node(const char *path, umode_t mode, dev_t dev, const char *target)
{
	struct nameidata nd;
	struct dentry *d = create_begin(&nd, AT_FDCWD, path, false);
	struct inode *dir;
	int err;

	if (IS_ERR(d))
		return PTR_ERR(d);
	dir = nd.path.dentry->d_inode;
	err = target ? dir->i_op->symlink(dir, d, target) : dir->i_op->create(dir, d, mode, dev);
	create_end(&nd, d);
	return err;
}

static int write_contents(const struct path *p, const struct cpio_entry *e)
{
	struct file *f = dentry_open(p, O_WRONLY);
	loff_t pos = 0;
	ssize_t n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	n = kernel_write(f, e->data, e->size, &pos);
	fput(f);
	return n < 0 ? n : (size_t)n < e->size ? -ENOSPC : 0;
}

/* Owner, rights and times of the archive. */
static void set_attributes(struct inode *inode, const struct cpio_entry *e)
{
	inode->i_uid = e->uid;
	inode->i_gid = e->gid;
	if (!S_ISLNK(inode->i_mode))
		inode->i_mode = (inode->i_mode & S_IFMT) | (e->mode & 07777);
	inode->i_atime = inode->i_mtime = (struct timespec64){ .tv_sec = e->mtime };
}

/* One more name PATH for the file FIRST of the archive. */
static int link_first(const char *first_name, const char *path)
{
	char *first = kmalloc(PATH_MAX, GFP_KERNEL);
	struct nameidata nd;
	struct dentry *d;
	struct path old;
	int err = -ENOMEM;

	if (!first)
		return err;
	err = clean_name(first_name, first) ? kern_path(first, 0, &old) : -ENOENT;
	kfree(first);
	if (err)
		return err;
	d = create_begin(&nd, AT_FDCWD, path, false);
	err = PTR_ERR(d);
	if (!IS_ERR(d)) {
		struct inode *dir = nd.path.dentry->d_inode;

		err = dir->i_op->link(old.dentry, dir, d);
		create_end(&nd, d);
	}
	path_put(&old);
	return err;
}

/* Make the object itself; its attributes and contents follow. */
static int make_object(const char *path, const struct cpio_entry *e, struct cpio_iter *it)
{
	struct cpio_entry first;
	char *target;
	int err;

	if (S_ISDIR(e->mode))
		return make_dir(path, e->mode & 07777);
	unlink_path(AT_FDCWD, path, false);	/* an earlier one of this name, if there is one */
	if (S_ISLNK(e->mode)) {
		target = kstrndup(e->data, e->size, GFP_KERNEL);
		err = target ? make_node(path, 0, 0, target) : -ENOMEM;
		kfree(target);
		return err;
	}
	if (cpio_first_link(it, e, &first) && link_first(first.name, path) == 0)
		return 0;
	return make_node(path, e->mode, MKDEV(e->rdev_major, e->rdev_minor), NULL);
}

static int unpack_entry(const struct cpio_entry *e, struct cpio_iter *it, char *path)
{
	struct path p;
	int err;

	if (!clean_name(e->name, path))
		return 0;
	err = make_parents(path);
	if (!err)
		err = make_object(path, e, it);
	if (!err)
		err = kern_path(path, 0, &p);
	if (err)
		return err;
	if (S_ISREG(e->mode) && e->size)
		err = write_contents(&p, e);
	set_attributes(p.dentry->d_inode, e);
	path_put(&p);
	return err;
}

static int unpack_image(const void *image, size_t size)
{
	char *path = kmalloc(PATH_MAX, GFP_KERNEL);
	struct cpio_iter it;
	struct cpio_entry e;
	unsigned int files = 0;
	int got, err = 0;

	if (!path) {
		pr_err("initramfs: no memory to unpack it\n");
		return -ENOMEM;
	}
	cpio_start(&it, image, size);
	while ((got = cpio_next(&it, &e)) == 1) {
		err = unpack_entry(&e, &it, path);
		if (err) {
			pr_err("initramfs: cannot make %s: error %d\n", e.name, err);
			break;
		}
		files++;
		cond_resched();
	}
	kfree(path);
	if (got < 0 && it.compressed)
		pr_err("initramfs is a %s archive: give an uncompressed newc cpio\n", it.compressed);
	else if (got < 0)
		pr_err("initramfs: %s at offset %zu\n", it.error, it.error_offset);
	else if (!err)
		pr_info("initramfs: %u files, %zu KiB\n", files, size >> 10);
	return got < 0 ? got : err;
}

int unpack_initramfs(void)
{
	phys_addr_t start = boot_info.initrd_start, end = boot_info.initrd_end;
	int err = make_dir("/dev", 0755);

	if (!err)
		err = make_node("/dev/console", S_IFCHR | 0600, MKDEV(5, 1), NULL);
	if (!err)
		err = make_dir("/root", 0700);
	if (err)
		pr_err("initramfs: cannot make /dev, /dev/console and /root: error %d\n", err);
	if (err || !end)
		return err;
	err = unpack_image(__va(start), end - start);
	free_initrd_mem(start, end);
	return err;
}

/* Descriptors 0, 1, 2 of the current task. 0 or -errno. */
int console_on_rootfs(void)
{
	struct file *f = filp_open("/dev/console", O_RDWR, 0);

	if (IS_ERR(f))
		return PTR_ERR(f);
	for (int i = 0; i < 3; i++) {
		int fd = get_unused_fd_flags(0);

		if (fd < 0)
			break;
		get_file(f);
		fd_install(fd, f);
	}
	fput(f);
	return 0;
}
