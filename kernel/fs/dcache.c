/*
 * kernel/fs/dcache.c - dentries: names in a tree. Every file system here lives in memory, so the tree of
 * dentries IS the directory; there is no cache of it to keep in step.
 *
 *	linked dentry:   d_parent --+-- d_children list, in order of d_off   (getdents, lseek)
 *	                            +-- hash of (parent, name)               (path walk)
 *
 * A linked dentry holds one reference of its own until d_unlink(), so nobody who finds it can see the count
 * at zero. Dentries made by a lookup method (/proc/PID) are never linked: they live as long as someone uses
 * them. Each dentry holds its parent, so the way up to the root always exists, also for deleted ones.
 *
 * d_off grows with time and stays with the dentry (over a rename inside its directory too): a getdents loop
 * meets what was there all the time exactly once, whatever is created and deleted in between.
 *
 * Not here: negative dentries, LRU, sequence counters for lockless walks. Linux: fs/dcache.c, fs/libfs.c.
 */
#include "kernel/fs/internal.h"
#include "kernel/lib/hash.h"

#define DHASH_BITS 13

DEFINE_SPINLOCK(dcache_lock);
DEFINE_MUTEX(rename_mutex);
static struct dentry *dentry_hashtable[1 << DHASH_BITS];	/* dcache_lock */
static u64 next_d_off = DIR_OFF_FIRST;				/* dcache_lock */
static struct kmem_cache *dentry_cache;

static struct dentry **d_bucket(const struct dentry *parent, const char *name, unsigned int len)
{
	return &dentry_hashtable[hash_64(hash_bytes(name, len) ^ (unsigned long)parent, DHASH_BITS)];
}

static struct dentry *__d_alloc(struct super_block *sb, const char *name, unsigned int len)
{
	struct dentry *d;

	if (!dentry_cache)	/* the very first one, at boot, by one CPU */
		dentry_cache = KMEM_CACHE(dentry);
	d = kmem_cache_zalloc(dentry_cache, GFP_KERNEL);
	if (!d)
		return NULL;
	d->d_name = kmalloc(len + 1, GFP_KERNEL);
	if (!d->d_name) {
		kmem_cache_free(dentry_cache, d);
		return NULL;
	}
	memcpy(d->d_name, name, len);
	d->d_name[len] = '\0';
	d->d_namelen = len;
	d->d_sb = sb;
	d->d_parent = d;
	atomic_set(&d->d_count, 1);
	INIT_LIST_HEAD(&d->d_children);
	INIT_LIST_HEAD(&d->d_sibling);
	return d;
}

/*
 * A new negative dentry that may become a child of PARENT.
 *
 * => may sleep; NULL without memory; count 1
 */
struct dentry *d_alloc(struct dentry *parent, const char *name, unsigned int len)
{
	struct dentry *d = __d_alloc(parent->d_sb, name, len);

	if (d) {
		dget(parent);
		d->d_parent = parent;
	}
	return d;
}

struct dentry *d_make_root(struct super_block *sb, struct inode *inode)
{
	struct dentry *d = __d_alloc(sb, "/", 1);

	if (!d) {
		iput(inode);
		return NULL;
	}
	d->d_inode = inode;
	return d;
}

struct dentry *d_alloc_detached(struct super_block *sb, const char *name, struct inode *inode,
				unsigned int flags)
{
	struct dentry *d = __d_alloc(sb, name, strlen(name));

	if (d) {
		d->d_inode = inode;
		d->d_flags = flags;
	}
	return d;
}

void dget(struct dentry *d)
{
	atomic_inc(&d->d_count);
}

/*
 * Drop a reference; the last one frees the dentry and passes on to its parent.
 *
 * => may sleep (the inode may go)
 */
void dput(struct dentry *d)
{
	while (d && atomic_dec_and_test(&d->d_count)) {
		struct dentry *parent = d->d_parent == d ? NULL : d->d_parent;

		KASSERT(!(d->d_flags & DCACHE_HASHED), "dcache: a linked dentry holds itself");
		if (d->d_inode)
			iput(d->d_inode);
		kfree(d->d_name);
		kmem_cache_free(dentry_cache, d);
		d = parent;
	}
}

struct dentry *d_lookup(struct dentry *parent, const char *name, unsigned int len)
{
	struct dentry **bucket = d_bucket(parent, name, len), *d;

	spin_lock(&dcache_lock);
	for (d = *bucket; d; d = d->d_hash)
		if (d->d_parent == parent && d->d_namelen == len && !memcmp(d->d_name, name, len)) {
			dget(d);
			break;
		}
	spin_unlock(&dcache_lock);
	return d;
}

/* => dcache_lock */
static void hash_insert(struct dentry *d)
{
	struct dentry **bucket = d_bucket(d->d_parent, d->d_name, d->d_namelen);

	d->d_hash = *bucket;
	*bucket = d;
	d->d_flags |= DCACHE_HASHED;
}

/* => dcache_lock */
static void hash_remove(struct dentry *d)
{
	struct dentry **p = d_bucket(d->d_parent, d->d_name, d->d_namelen);

	while (*p != d)
		p = &(*p)->d_hash;
	*p = d->d_hash;
	d->d_flags &= ~DCACHE_HASHED;
}

void d_add(struct dentry *d)
{
	dget(d);
	spin_lock(&dcache_lock);
	d->d_off = next_d_off++;
	list_add_tail(&d->d_sibling, &d->d_parent->d_children);
	hash_insert(d);
	spin_unlock(&dcache_lock);
}

void d_unlink(struct dentry *d)
{
	spin_lock(&dcache_lock);
	hash_remove(d);
	list_del_init(&d->d_sibling);
	d->d_flags |= DCACHE_UNLINKED;
	spin_unlock(&dcache_lock);
	dput(d);
}

/* Exchange names and parents (with the references to them). => dcache_lock, both unhashed */
static void swap_places(struct dentry *a, struct dentry *b)
{
	swap(a->d_name, b->d_name);
	swap(a->d_namelen, b->d_namelen);
	swap(a->d_parent, b->d_parent);
}

void d_move(struct dentry *old, struct dentry *new)
{
	bool moved = old->d_parent != new->d_parent;

	spin_lock(&dcache_lock);
	hash_remove(old);
	swap_places(old, new);
	if (moved) {
		old->d_off = next_d_off++;
		list_move_tail(&old->d_sibling, &old->d_parent->d_children);
	}
	hash_insert(old);
	spin_unlock(&dcache_lock);
}

void d_exchange(struct dentry *a, struct dentry *b)
{
	spin_lock(&dcache_lock);
	hash_remove(a);
	hash_remove(b);
	swap_places(a, b);
	a->d_off = next_d_off++;
	list_move_tail(&a->d_sibling, &a->d_parent->d_children);
	b->d_off = next_d_off++;
	list_move_tail(&b->d_sibling, &b->d_parent->d_children);
	hash_insert(a);
	hash_insert(b);
	spin_unlock(&dcache_lock);
}

bool d_empty(struct dentry *dir)
{
	return list_empty(&dir->d_children);
}

bool d_is_ancestor(struct dentry *a, struct dentry *d)
{
	for (;;) {
		if (a == d)
			return true;
		if (d->d_parent == d)
			return false;
		d = d->d_parent;
	}
}

/*
 * Post-order without recursion: go down to a leaf, unlink it, go on with its parent.
 *
 * => no one can reach the tree any more; may sleep
 */
void d_kill_tree(struct dentry *root)
{
	struct dentry *d = root;

	for (;;) {
		while (!list_empty(&d->d_children))
			d = list_first_entry(&d->d_children, struct dentry, d_sibling);
		if (d == root)
			break;
		struct dentry *parent = d->d_parent;

		d_unlink(d);
		d = parent;
		cond_resched();
	}
	dput(root);
}

bool dir_emit(struct dir_context *ctx, const char *name, unsigned int len, u64 next, u64 ino, umode_t mode)
{
	if (!ctx->actor(ctx, name, len, next, ino, (mode & S_IFMT) >> 12))
		return false;
	ctx->pos = next;
	return true;
}

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	struct dentry *d = f->f_path.dentry;
	u64 up;

	if (ctx->pos == 0 && !dir_emit(ctx, ".", 1, 1, d->d_inode->i_ino, S_IFDIR))
		return false;
	spin_lock(&dcache_lock);
	up = d->d_parent->d_inode->i_ino;
	spin_unlock(&dcache_lock);
	return ctx->pos != 1 || dir_emit(ctx, "..", 2, DIR_OFF_FIRST, up, S_IFDIR);
}

/* => dir's i_rwsem held: the list is stable */
bool dcache_emit(struct file *f, struct dir_context *ctx)
{
	struct dentry *dir = f->f_path.dentry, *d;

	if (!dir_emit_dots(f, ctx))
		return false;
	list_for_each_entry(d, &dir->d_children, d_sibling) {
		if ((loff_t)d->d_off < ctx->pos)
			continue;
		if (!dir_emit(ctx, d->d_name, d->d_namelen, d->d_off + 1, d->d_inode->i_ino,
			      d->d_inode->i_mode))
			return false;
	}
	return true;
}

int dcache_readdir(struct file *f, struct dir_context *ctx)
{
	dcache_emit(f, ctx);
	return 0;
}

loff_t dcache_dir_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == 1)
		off += f->f_pos;
	else if (whence != 0)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->f_pos = off;
	return off;
}

ssize_t generic_read_dir(struct file *f, struct iov_iter *to, loff_t *pos)
{
	return -EISDIR;
}
