/*
 * kernel/fs/inode.c - inodes: objects without names. Counting, attributes, permission; superblocks.
 *
 *	new_inode() -> i_count 1 -> ihold/iput by dentries and others -> iput to 0 -> evict_inode() -> freed
 *
 * A linked dentry holds its inode, so the last iput means: no name and no user. There is no inode cache.
 *
 * Not here: capabilities (user id 0 has them all), ACLs, quotas, inode numbers that survive a reboot.
 * Linux: fs/inode.c, fs/attr.c, generic_permission() in fs/namei.c, fs/super.c.
 */
#include "kernel/fs/internal.h"

static struct kmem_cache *inode_cache;
static atomic_t next_anon_minor;	/* device numbers 0:n of superblocks */

struct timespec64 current_time(void)
{
	return ns_to_timespec(ktime_get_real());
}

void inode_set_ctime(struct inode *inode)
{
	inode->i_ctime = current_time();
}

void inode_set_mtime(struct inode *inode)
{
	inode->i_mtime = inode->i_ctime = current_time();
}

static void mapping_init(struct address_space *m, struct inode *host)
{
	m->host = host;
	spin_lock_init(&m->tree_lock);
	xa_init(&m->i_pages);
	INIT_LIST_HEAD(&m->swaplist);
	init_rwsem(&m->i_mmap_rwsem);
	m->i_mmap = (struct rb_root){ NULL };
}

struct inode *new_inode(struct super_block *sb)
{
	struct inode *inode;

	if (!inode_cache)	/* the very first one, at boot, by one CPU */
		inode_cache = KMEM_CACHE(inode);
	inode = kmem_cache_zalloc(inode_cache, GFP_KERNEL);
	if (!inode)
		return NULL;
	inode->i_sb = sb;
	inode->i_ino = atomic_long_inc_return(&sb->s_next_ino);
	inode->i_nlink = 1;
	inode->i_op = &empty_iops;
	inode->i_mapping = &inode->i_data;
	atomic_set(&inode->i_count, 1);
	init_rwsem(&inode->i_rwsem);
	spin_lock_init(&inode->i_lock);
	INIT_LIST_HEAD(&inode->i_flock);
	mapping_init(&inode->i_data, inode);
	inode->i_atime = inode->i_mtime = inode->i_ctime = current_time();
	return inode;
}

void ihold(struct inode *inode)
{
	atomic_inc(&inode->i_count);
}

/*
 * Drop a reference; the last one frees the inode and what it holds.
 *
 * => may sleep
 */
void iput(struct inode *inode)
{
	if (!inode || !atomic_dec_and_test(&inode->i_count))
		return;
	if (inode->i_sb->s_op && inode->i_sb->s_op->evict_inode)
		inode->i_sb->s_op->evict_inode(inode);
	kfree(inode->i_link);
	kmem_cache_free(inode_cache, inode);
}

void generic_fillattr(struct inode *inode, struct kstat *st)
{
	*st = (struct kstat){
		.ino = inode->i_ino,
		.size = inode->i_size,
		.blocks = inode->i_blocks,
		.blksize = 4096,
		.dev = inode->i_sb->s_dev,
		.rdev = inode->i_rdev,
		.mode = inode->i_mode,
		.nlink = inode->i_nlink,
		.uid = inode->i_uid,
		.gid = inode->i_gid,
		.atime = inode->i_atime,
		.mtime = inode->i_mtime,
		.ctime = inode->i_ctime,
	};
}

int vfs_getattr(const struct path *p, struct kstat *st)
{
	struct inode *inode = p->dentry->d_inode;

	generic_fillattr(inode, st);
	return inode->i_op->getattr ? inode->i_op->getattr(p->dentry, st) : 0;
}

/* => i_rwsem held for write */
void setattr_copy(struct inode *inode, const struct kstat *st, unsigned int valid)
{
	if (valid & ATTR_UID)
		inode->i_uid = st->uid;
	if (valid & ATTR_GID)
		inode->i_gid = st->gid;
	if (valid & ATTR_MODE)
		inode->i_mode = (inode->i_mode & S_IFMT) | (st->mode & 07777);
	if (valid & ATTR_ATIME)
		inode->i_atime = st->atime;
	if (valid & ATTR_MTIME)
		inode->i_mtime = st->mtime;
	inode_set_ctime(inode);
}

void inode_init_owner(struct inode *inode, const struct inode *dir, umode_t mode)
{
	const struct cred *c = current_cred();

	inode->i_uid = c->fsuid;
	inode->i_gid = c->fsgid;
	if (dir && (dir->i_mode & S_ISGID)) {
		inode->i_gid = dir->i_gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
		else if ((mode & (S_ISGID | 0010)) == (S_ISGID | 0010) && c->fsuid && !in_group_p(dir->i_gid))
			mode &= ~S_ISGID;
	}
	inode->i_mode = mode;
}

bool inode_owner_or_root(const struct inode *inode)
{
	uid_t me = current_cred()->fsuid;

	return me == 0 || me == inode->i_uid;
}

static bool in_fs_group(gid_t gid)
{
	return current_cred()->fsgid == gid || in_group_p(gid);
}

/*
 * May the current task do MASK (MAY_*) to INODE by its mode bits? 0 or -EACCES.
 * User id 0 may all but execute a file that nobody may execute.
 */
int generic_permission(struct inode *inode, int mask)
{
	const struct cred *c = current_cred();
	umode_t mode = inode->i_mode;

	mask &= MAY_READ | MAY_WRITE | MAY_EXEC;
	if (c->fsuid == 0)
		return (mask & MAY_EXEC) && !S_ISDIR(mode) && !(mode & 0111) ? -EACCES : 0;
	if (c->fsuid == inode->i_uid)
		mode >>= 6;
	else if (in_fs_group(inode->i_gid))
		mode >>= 3;
	return mask & ~mode ? -EACCES : 0;
}

int inode_permission(struct inode *inode, int mask)
{
	return inode->i_op->permission ? inode->i_op->permission(inode, mask)
				       : generic_permission(inode, mask);
}

struct super_block *sb_alloc(struct file_system_type *t, u64 magic, const struct super_operations *op)
{
	struct super_block *sb = kzalloc(sizeof(*sb), GFP_KERNEL);

	if (!sb)
		return NULL;
	sb->s_magic = magic;
	sb->s_dev = MKDEV(0, atomic_inc_return(&next_anon_minor));
	sb->s_type = t;
	sb->s_op = op;
	atomic_set(&sb->s_active, 1);
	return sb;
}

/* The last mount went: take the tree down. => may sleep */
void deactivate_super(struct super_block *sb)
{
	if (!atomic_dec_and_test(&sb->s_active))
		return;
	if (sb->s_root)
		d_kill_tree(sb->s_root);
	if (sb->s_op && sb->s_op->put_super)
		sb->s_op->put_super(sb);
	kfree(sb);
}
