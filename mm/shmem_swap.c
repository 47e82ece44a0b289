/*
 * mm/shmem_swap.c - pages of memory-backed files that are not in memory (RCL-18).
 *
 *	i_pages:  index -> folio ──reclaim──> swap entry (a value) ──the next who asks──> folio again
 *	                   └── never written: ──> nothing; a hole reads as the same zeroes
 *
 * The entry in the tree counts in its slot like a PTE. Mappings of the page are gone before it goes out, and
 * nothing stands in their place: a fault finds the way through the file. A folio is in the tree or in the
 * swap cache; from one to the other it goes with its references frozen under the tree's lock, so that nobody
 * who found it in the tree still writes into it when the disk reads.
 *
 * Linux: mm/shmem.c.
 */
#include "kernel/fs/fs.h"
#include "kernel/lib/err.h"
#include "kernel/sched/sched.h"
#include "mm/memory.h"
#include "mm/rmap.h"
#include "mm/shmem.h"
#include "mm/swapfile.h"
#include "mm/vmstat.h"

/* Inodes that may have entries; address_space.swaplist. A leaf. */
static LIST_HEAD(shmem_swaplist);
static DEFINE_SPINLOCK(shmem_swaplist_lock);

static void *entry_to_value(swp_entry_t e) { return xa_mk_value(e.val); }
static swp_entry_t value_to_entry(const void *v) { return (swp_entry_t){ xa_to_value(v) }; }

/* F is not in MAPPING's tree any more: the tree's reference is the caller's now. => tree_lock */
static void left_tree(struct address_space *mapping, struct folio *f)
{
	f->mapping = NULL;
	mapping->nrpages--;
	mod_node_page_state(NR_FILE_PAGES, -1);
	mod_node_page_state(NR_SHMEM, -1);
}

/* ---- Out ---- */

static void add_to_swaplist(struct address_space *mapping)
{
	spin_lock(&shmem_swaplist_lock);
	if (list_empty(&mapping->swaplist))
		list_add_tail(&mapping->swaplist, &shmem_swaplist);
	spin_unlock(&shmem_swaplist_lock);
}

void shmem_leave_swaplist(struct address_space *mapping)
{
	spin_lock(&shmem_swaplist_lock);
	list_del_init(&mapping->swaplist);
	spin_unlock(&shmem_swaplist_lock);
}

int shmem_move_to_swap(struct folio *f)
{
	struct address_space *mapping = f->mapping;
	bool frozen;

	KASSERT(folio_test_locked(f) && !folio_mapped(f) && !folio_test_large(f), "RCL-18");
	if (folio_alloc_swap(f))
		return -ENOMEM;
	if (swap_duplicate_nr(f->swap, 1))
		KASSERT(false, "SWAP-1");	/* nobody else knows the slot */
	/* Before the entry can be found: truncation takes the inode off when it took the last entry out. */
	add_to_swaplist(mapping);
	spin_lock(&mapping->tree_lock);
	/* The caller's, the tree's, the swap cache's. */
	frozen = folio_ref_freeze(f, 3);
	if (frozen) {
		/* Over an entry: cannot fail. */
		(void)xa_store(&mapping->i_pages, f->index, entry_to_value(f->swap));
		mapping->nrswapped++;
		left_tree(mapping, f);
		folio_ref_unfreeze(f, 2);
	}
	spin_unlock(&mapping->tree_lock);
	if (frozen)
		return 0;
	swap_free_nr(f->swap, 1);
	folio_free_swap(f);
	return -EAGAIN;
}

bool shmem_drop_clean(struct folio *f)
{
	struct address_space *mapping = f->mapping;
	bool dropped = false;

	KASSERT(folio_test_locked(f) && !folio_mapped(f), "RCL-18");
	spin_lock(&mapping->tree_lock);
	if (folio_ref_freeze(f, 2)) {
		dropped = !folio_test_dirty(f);
		if (dropped) {
			xa_erase(&mapping->i_pages, f->index);
			left_tree(mapping, f);
			/* While the lock keeps the inode: the last page may be all that did. */
			shmem_uncharge(mapping->host, 1);
		} else {
			folio_ref_unfreeze(f, 2);
		}
	}
	spin_unlock(&mapping->tree_lock);
	return dropped;
}

/* ---- In ---- */

/* F, locked, takes the place of VALUE at INDEX. False: somebody else was there. */
static bool insert_swapped(struct address_space *mapping, pgoff_t index, const void *value, struct folio *f)
{
	bool same;

	spin_lock(&mapping->tree_lock);
	same = xa_load(&mapping->i_pages, index) == value;
	if (same) {
		folio_get(f);
		f->index = index;
		f->mapping = mapping;
		(void)xa_store(&mapping->i_pages, index, f);	/* over an entry: cannot fail */
		mapping->nrpages++;
		mapping->nrswapped--;
		mod_node_page_state(NR_FILE_PAGES, 1);
		mod_node_page_state(NR_SHMEM, 1);
	}
	spin_unlock(&mapping->tree_lock);
	return same;
}

/* The content of VALUE's slot could not be read: say so to everybody who asks, and let the slot go. */
static void poison_value(struct address_space *mapping, pgoff_t index, void *value)
{
	bool same;

	spin_lock(&mapping->tree_lock);
	same = xa_load(&mapping->i_pages, index) == value;
	if (same)
		(void)xa_store(&mapping->i_pages, index, entry_to_value(swp_entry(SWP_POISON, 0)));
	spin_unlock(&mapping->tree_lock);
	if (same)
		swap_free_nr(value_to_entry(value), 1);
}

/* F, locked, is what VALUE at INDEX names. 0, -EIO: unreadable; -EEXIST: look again. POISON: for swapoff. */
static int take_swapped(struct address_space *mapping, pgoff_t index, void *value, struct folio *f,
			bool poison)
{
	swp_entry_t e = value_to_entry(value);

	if (!folio_matches_swap_entry(f, e))
		return -EEXIST;
	folio_wait_writeback(f);
	if (!folio_test_uptodate(f)) {
		if (poison)
			poison_value(mapping, index, value);
		folio_free_swap(f);
		return -EIO;
	}
	if (!insert_swapped(mapping, index, value, f))
		return -EEXIST;
	delete_from_swap_cache(f);
	swap_free_nr(e, 1);
	folio_set_dirty(f);
	return 0;
}

static int swapin_value(struct address_space *mapping, pgoff_t index, void *value, struct folio **foliop,
			bool poison)
{
	swp_entry_t e = value_to_entry(value);
	struct swap_info_struct *si;
	struct folio *f;
	int err;

	if (is_poison_entry(e))
		return -EIO;
	si = get_swap_device(e);
	if (!si)
		return -EEXIST;
	f = swap_cache_get_folio(e);
	if (f) {
		swap_update_readahead(f, NULL, 0);
	} else {
		f = swapin_readahead(e, NULL);
		count_vm_event(PGMAJFAULT);
	}
	put_swap_device(si);
	if (IS_ERR(f))
		return PTR_ERR(f) == -ENOMEM ? -ENOMEM : -EEXIST;
	folio_lock(f);
	err = take_swapped(mapping, index, value, f, poison);
	if (!err) {
		*foliop = f;
		return 0;
	}
	folio_unlock(f);
	folio_put(f);
	return err;
}

int shmem_swapin(struct address_space *mapping, pgoff_t index, void *value, struct folio **foliop)
{
	return swapin_value(mapping, index, value, foliop, false);
}

void shmem_willneed(struct inode *inode, pgoff_t first, pgoff_t last)
{
	struct address_space *mapping = &inode->i_data;

	for (pgoff_t i = first; i <= last; i++) {
		void *entry;

		spin_lock(&mapping->tree_lock);
		entry = xa_find(&mapping->i_pages, &i, last);
		spin_unlock(&mapping->tree_lock);
		if (!entry)
			return;
		if (xa_is_value(entry))
			swapin_start(value_to_entry(entry));
		cond_resched();
	}
}

/* ---- Away ---- */

bool shmem_free_swap(struct address_space *mapping, pgoff_t index, void *value)
{
	swp_entry_t e = value_to_entry(value);
	bool same;

	spin_lock(&mapping->tree_lock);
	same = xa_load(&mapping->i_pages, index) == value;
	if (same) {
		xa_erase(&mapping->i_pages, index);
		mapping->nrswapped--;
	}
	spin_unlock(&mapping->tree_lock);
	if (same && !is_poison_entry(e))
		free_swap_and_cache_nr(e, 1);
	return same;
}

/* ---- swapoff ---- */

/* Bring back what MAPPING has on the area TYPE. 0, -ENOMEM, -EINTR. */
static int unuse_mapping(struct address_space *mapping, unsigned int type)
{
	pgoff_t i = 0;
	void *entry;
	int err = 0;

	for (; !err || err == -EEXIST || err == -EIO; i++) {
		struct folio *f;

		spin_lock(&mapping->tree_lock);
		entry = xa_find(&mapping->i_pages, &i, ~0UL);
		spin_unlock(&mapping->tree_lock);
		if (!entry)
			return 0;
		if (signal_pending(current))
			return -EINTR;
		if (!xa_is_value(entry) || swp_type(value_to_entry(entry)) != type)
			continue;
		err = swapin_value(mapping, i, entry, &f, true);
		if (!err) {
			folio_unlock(f);
			folio_put(f);
		}
		cond_resched();
	}
	return err;
}

int shmem_unuse(unsigned int type)
{
	struct address_space *mapping;
	struct inode *prev = NULL;
	int err = 0;

	spin_lock(&shmem_swaplist_lock);
	list_for_each_entry(mapping, &shmem_swaplist, swaplist) {
		/* One that is on its way out takes its entries along. */
		if (!mapping->nrswapped || !atomic_inc_not_zero(&mapping->host->i_count))
			continue;
		spin_unlock(&shmem_swaplist_lock);
		if (prev)
			iput(prev);
		prev = mapping->host;
		err = unuse_mapping(mapping, type);
		spin_lock(&shmem_swaplist_lock);
		if (err)
			break;
	}
	spin_unlock(&shmem_swaplist_lock);
	if (prev)
		iput(prev);
	return err;
}

/* ---- Views ---- */

unsigned long shmem_swap_usage(struct inode *inode, pgoff_t first, pgoff_t last)
{
	struct address_space *mapping = &inode->i_data;
	unsigned long n = 0;
	void *entry;
	pgoff_t i;

	if (!READ_ONCE(mapping->nrswapped))
		return 0;
	spin_lock(&mapping->tree_lock);
	xa_for_each_range(&mapping->i_pages, i, entry, first, last)
		n += xa_is_value(entry) && !is_poison_entry(value_to_entry(entry));
	spin_unlock(&mapping->tree_lock);
	return n;
}

void shmem_for_each_swap_entry(void (*fn)(void *arg, swp_entry_t e), void *arg)
{
	struct address_space *mapping;

	list_for_each_entry(mapping, &shmem_swaplist, swaplist) {
		void *entry;
		pgoff_t i;

		xa_for_each_range(&mapping->i_pages, i, entry, 0, ~0UL)
			if (xa_is_value(entry) && !is_poison_entry(value_to_entry(entry)))
				fn(arg, value_to_entry(entry));
	}
}
