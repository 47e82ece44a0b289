/*
 * mm/folio_owner.c - owner tracking in the kernel: the owner lock, mm_id.c's rules under folio names, and
 * the ids.
 *
 *	rmap.c ──> folio_add_large_mapcount ──> owner lock ──> owners_map (mm_id.c)
 *	cow.c, khugepaged, madvise ──> folio_maybe_mapped_shared: reads without the lock
 *
 * The lock is bit 31 of the owner word, because the second page's descriptor has no room for more (MMID-4).
 * It is always taken inside a page-table lock and nothing is taken inside it; lockdep knows it as
 * "owner_lock".
 *
 * Linux: include/linux/rmap.h, and kernel/fork.c for the ids. Ours are given out lowest first from a bitmap;
 * Linux keeps them in an IDA.
 */
#include "arch-x86_64/processor.h"
#include "kernel/fs/seq_file.h"
#include "kernel/lib/bitmap.h"
#include "kernel/lib/string.h"
#include "kernel/trace/control.h"
#include "mm/gfp.h"
#include "mm/mm_id_v1.h"
#include "mm/mm_types.h"

/* ---- The owner lock (MMID-4) ---- */

#define LOCK_BIT 31

static struct lock_class owner_lock_class = { .name = "owner_lock", .kind = LOCK_SPIN };

static __always_inline void lock_owners(struct folio_owners *o, unsigned long ip)
{
	preempt_disable();
	/* Before the wait: a deadlock is reported, not suffered. */
	lock_acquire(&owner_lock_class, o, 0, false, false, ip);
	while (unlikely(test_and_set_bit(LOCK_BIT, &o->word)))
		while (test_bit(LOCK_BIT, &o->word))
			cpu_relax();
}

static __always_inline void unlock_owners(struct folio_owners *o)
{
	KASSERT(o->word & FOLIO_MM_IDS_LOCK, "MMID-4");
	lock_release(&owner_lock_class, o);
	/* Only the holder writes the word: an ordinary store passes the lock on. */
	smp_store_release(&o->word, o->word & ~FOLIO_MM_IDS_LOCK);
	preempt_enable();
}

void folio_lock_large_mapcount(struct folio *f)
{
	lock_owners(&f->_owners, (unsigned long)__builtin_return_address(0));
}

void folio_unlock_large_mapcount(struct folio *f)
{
	unlock_owners(&f->_owners);
}

/* ---- Mapping and unmapping ---- */

static void check_folio(const struct folio *f, int nr)
{
	KASSERT(folio_test_large(f), "MMID-15");
	KASSERT_LE(nr, folio_nr_pages(f), "MMID-15");
}

int folio_add_large_mapcount(struct folio *f, int nr, struct vm_area_struct *vma)
{
	u32 id = vma->vm_mm->mm_id;
	int total;

	check_folio(f, nr);
	lock_owners(&f->_owners, (unsigned long)__builtin_return_address(0));
	if (variant_is(VARIANT_V1_OWNERS))
		total = owners_v1_map(&f->_owners, nr, id);
	else
		total = owners_map(&f->_owners, nr, id);
	unlock_owners(&f->_owners);
	return total;
}

int folio_sub_return_large_mapcount(struct folio *f, int nr, struct vm_area_struct *vma)
{
	u32 id = vma->vm_mm->mm_id;
	int total;

	check_folio(f, nr);
	lock_owners(&f->_owners, (unsigned long)__builtin_return_address(0));
	if (variant_is(VARIANT_V1_OWNERS)) {
		total = owners_v1_unmap(&f->_owners, nr, id);
		/* At once, not when the folio is split or freed: the variant may be switched off any time. */
		owners_v1_forget(&f->_owners);
	} else {
		total = owners_unmap(&f->_owners, nr, id);
	}
	unlock_owners(&f->_owners);
	return total;
}

void folio_set_large_mapcount(struct folio *f, int nr, struct vm_area_struct *vma)
{
	check_folio(f, nr);
	owners_set_new(&f->_owners, nr, vma->vm_mm->mm_id);
}

bool folio_maybe_mapped_shared(const struct folio *f)
{
	if (variant_is(VARIANT_OWNER_ALWAYS_SHARED))
		return true;
	if (variant_is(VARIANT_OWNER_NEVER_SHARED))
		return false;
	if (!folio_test_large(f))
		return atomic_read(&f->_mapcount) > 0;
	return owners_maybe_shared(&f->_owners);
}

/* ---- Owner ids (MMID-2): the lowest free one, from 1 ---- */

#define IDS_PER_CHUNK (PAGE_SIZE * 8)
static unsigned long *id_chunks[64];	/* a page of bits each, made when the ones before are full */
static unsigned int nr_id_chunks;
static u32 mm_id_limit = MM_ID_MAX;	/* highest that is given out; see force_mm_id_limit */
static DEFINE_SPINLOCK(mm_id_lock);

/* Lowest free id of the chunks there are, taken; -1: none. */
static long take_free_id(void)
{
	long id = -1;

	spin_lock(&mm_id_lock);
	for (unsigned int c = 0; c < nr_id_chunks && id < 0; c++) {
		unsigned int bit = find_first_zero_bit(id_chunks[c], IDS_PER_CHUNK);

		if (bit == IDS_PER_CHUNK)
			continue;
		id = (long)c * (long)IDS_PER_CHUNK + bit;
		if (id > mm_id_limit) {
			id = 0;
			break;
		}
		__set_bit(bit, id_chunks[c]);
	}
	spin_unlock(&mm_id_lock);
	return id;
}

static bool add_id_chunk(void)
{
	unsigned long *chunk = get_zeroed_page(GFP_KERNEL);
	bool added = false;

	if (!chunk)
		return false;
	spin_lock(&mm_id_lock);
	if (nr_id_chunks < ARRAY_SIZE(id_chunks)) {
		if (!nr_id_chunks)
			__set_bit(0, chunk);	/* 0 says "nobody" */
		id_chunks[nr_id_chunks++] = chunk;
		added = true;
	}
	spin_unlock(&mm_id_lock);
	if (!added)
		free_page(chunk);
	return added;
}

u32 mm_id_alloc(void)
{
	long id = take_free_id();

	while (id < 0 && add_id_chunk())
		id = take_free_id();
	return id > 0 ? (u32)id : 0;
}

void mm_id_free(u32 id)
{
	spin_lock(&mm_id_lock);
	KASSERT(id && test_bit(id % IDS_PER_CHUNK, id_chunks[id / IDS_PER_CHUNK]), "MMID-2");
	__clear_bit(id % IDS_PER_CHUNK, id_chunks[id / IDS_PER_CHUNK]);
	spin_unlock(&mm_id_lock);
}

/*
 * "mm_id_limit PID START END N": no id above N is given out from now on (T-MMID-8); 0: no limit. The range
 * means nothing. Prints PID's id.
 */
static int force_mm_id_limit(struct mm_struct *mm, unsigned long start, unsigned long end, char *args,
			     struct seq_file *out)
{
	unsigned int limit;

	if (!args || kstrtouint(strim(args), 0, &limit) || limit > MM_ID_MAX)
		return -EINVAL;
	seq_printf(out, "id=%u\n", mm->mm_id);
	WRITE_ONCE(mm_id_limit, limit ? limit : MM_ID_MAX);
	return 0;
}
FORCE_WORD("mm_id_limit", "N", force_mm_id_limit);
