/*
 * mm/map_folio.c - /sys/kernel/debug/quire/map_folio: one large file folio that any number of processes may map.
 *
 *	fd = open(map_folio)   write "4" to it        a fresh folio of 16 pages
 *	mmap(64 KiB, MAP_SHARED, fd)                  its pages appear as they are touched, by the generic rmap path
 *	munmap or MADV_DONTNEED of a part, touch again, fork, another process ...
 *
 * An anonymous folio cannot be mapped afresh by an unrelated process, and shared memory here has order-0 folios only:
 * this file is how the owner tracking of more than two processes is tested (T-MMID-3..7). A file that is opened
 * joins the folio made last, so /proc/PID/fd works too; a write gives that open file a new one. The folio goes
 * when the last open file or mapping of it does.
 *
 * It stands in no page-cache tree, but has the references of one (FOL-7): one for each page.
 */
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/string.h"
#include "mm/gfp.h"
#include "mm/mm.h"
#include "mm/slab.h"

#ifndef RELEASE
/* What open files and mappings share. */
struct map_object { struct folio *folio; int users; };
static struct map_object *newest;	/* joined by the next open */
static DEFINE_MUTEX(map_folio_lock);	/* newest, users, file->private_data */

static struct map_object *object_new(struct address_space *mapping, unsigned int order)
{
	struct map_object *o = kzalloc(sizeof(*o), GFP_KERNEL);
	struct folio *f = o ? folio_alloc(GFP_USER, order) : NULL;

	if (!f) {
		kfree(o);
		return NULL;
	}
	for (unsigned long i = 0; i < folio_nr_pages(f); i++)
		clear_highpage(folio_page(f, i));
	folio_set_uptodate(f);
	f->index = 0;
	f->mapping = mapping;
	folio_ref_add(f, (int)folio_nr_pages(f) - 1);
	o->folio = f;
	o->users = 1;
	return o;
}

/* A file or VMA lets go of O. => map_folio_lock */
static void object_put(struct map_object *o)
{
	if (!o || --o->users)
		return;
	if (newest == o)
		newest = NULL;
	o->folio->mapping = NULL;
	folio_put_refs(o->folio, (int)folio_nr_pages(o->folio));
	kfree(o);
}

static int map_folio_open(struct inode *inode, struct file *file)
{
	mutex_lock(&map_folio_lock);
	file->private_data = newest;
	if (newest)
		newest->users++;
	mutex_unlock(&map_folio_lock);
	return 0;
}

static void map_folio_release(struct inode *inode, struct file *file)
{
	mutex_lock(&map_folio_lock);
	object_put(file->private_data);
	mutex_unlock(&map_folio_lock);
}

static ssize_t map_folio_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct map_object *o;
	size_t len = from->count;
	unsigned int order;
	char text[8];

	if (len >= sizeof(text) || copy_from_iter(text, len, from) != len)
		return -EINVAL;
	text[len] = '\0';
	/* FOL-9: order 1 has no room for all that a large folio needs. */
	if (kstrtouint(text, 10, &order) || order < 2 || order > HPAGE_PMD_ORDER) {
		pr_warn("quire/map_folio: takes an order, 2 to 9; then mmap it\n");
		return -EINVAL;
	}
	o = object_new(file->f_inode->i_mapping, order);
	if (!o)
		return -ENOMEM;
	mutex_lock(&map_folio_lock);
	object_put(file->private_data);
	file->private_data = newest = o;
	mutex_unlock(&map_folio_lock);
	return (ssize_t)len;
}

static ssize_t map_folio_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	char text[80];
	size_t len;
	struct map_object *o;

	mutex_lock(&map_folio_lock);
	o = file->private_data;
	len = (size_t)snprintf(text, sizeof(text), "# write: ORDER, 2 to 9; then mmap MAP_SHARED\norder=%d pfn=%#lx\n",
			       o ? (int)folio_order(o->folio) : -1, o ? folio_pfn(o->folio) : 0);
	mutex_unlock(&map_folio_lock);
	if (*pos >= (loff_t)len)
		return 0;
	len = copy_to_iter(text + *pos, min(len - (size_t)*pos, to->count), to);
	*pos += (loff_t)len;
	return (ssize_t)len;
}

static vm_fault_t map_folio_fault(struct vm_fault *vmf)
{
	struct map_object *o = vmf->vma->vm_private_data;

	if (vmf->pgoff >= folio_nr_pages(o->folio))
		return VM_FAULT_SIGBUS;
	folio_get(o->folio);
	folio_lock(o->folio);
	vmf->page = folio_page(o->folio, vmf->pgoff);
	return VM_FAULT_LOCKED;
}

static void map_folio_vma_open(struct vm_area_struct *vma)
{
	struct map_object *o = vma->vm_private_data;

	mutex_lock(&map_folio_lock);
	o->users++;
	mutex_unlock(&map_folio_lock);
}

static void map_folio_vma_close(struct vm_area_struct *vma)
{
	mutex_lock(&map_folio_lock);
	object_put(vma->vm_private_data);
	mutex_unlock(&map_folio_lock);
}

static const struct vm_operations_struct map_folio_vm_ops = {
	.fault = map_folio_fault, .open = map_folio_vma_open, .close = map_folio_vma_close,
};

/* The mapping keeps the folio that the file has now, whatever is written to the file later. */
static int map_folio_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct map_object *o;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	mutex_lock(&map_folio_lock);
	o = file->private_data;
	if (o)
		o->users++;
	mutex_unlock(&map_folio_lock);
	if (!o)
		return -EINVAL;
	vma->vm_private_data = o;
	vma->vm_ops = &map_folio_vm_ops;
	return 0;
}

static const struct file_operations map_folio_fops = {
	.open = map_folio_open,
	.release = map_folio_release,
	.read = map_folio_read,
	.write = map_folio_write,
	.llseek = seq_lseek,
	.mmap = map_folio_mmap,
};
static const struct pseudo_ops map_folio_ops = { .fops = &map_folio_fops };

static int map_folio_init(void)
{
	pseudo_create(quire_debug_root, "map_folio", 0600, &map_folio_ops, NULL);
	return 0;
}
fs_initcall(map_folio_init);
#endif
