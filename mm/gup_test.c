/*
 * mm/gup_test.c - /sys/kernel/debug/gup_test: user pages held and let go by ioctl, as a driver would.
 *
 *	1 GUP_FAST_BENCHMARK, 4 GUP_BASIC_TEST		plain references, taken and dropped at once
 *	2 PIN_FAST_BENCHMARK, 5 PIN_BASIC_TEST		pins, taken and dropped at once
 *	3 PIN_LONGTERM_BENCHMARK			the same with FOLL_LONGTERM
 *	6 DUMP_USER_PAGES_TEST				as 4 or 5, and some of the pages go to the log
 *	7 PIN_LONGTERM_TEST_START, 8 STOP, 9 READ	pins that stay until STOP or the last close
 *
 * Numbers and structures are Linux's, so that its test programs run. What is pinned belongs to the open file,
 * so that several programs can pin at once; in Linux all files share one set of pins. For
 * a plain reference that stays, a program uses vmsplice. Linux: mm/gup_test.c.
 */
#include "arch-x86_64/uaccess.h"
#include "kernel/fs/pseudofs.h"
#include "kernel/init.h"
#include "kernel/lib/printk.h"
#include "kernel/sched/sched.h"
#include "mm/mm.h"
#include "mm/rmap.h"
#include "mm/slab.h"

#define GUP_TEST_MAX_PAGES_TO_DUMP 8
struct gup_test {
	u64 get_delta_usec, put_delta_usec;	/* out */
	u64 addr;
	u64 size;				/* bytes; out: how far it came */
	u32 nr_pages_per_call;
	u32 gup_flags;
	u32 test_flags;
	u32 which_pages[GUP_TEST_MAX_PAGES_TO_DUMP];	/* counted from 1; 0: none */
};
static_assert(sizeof(struct gup_test) == 80, "the numbers below say so");

struct pin_longterm_test {
	u64 addr, size;
	u32 flags;
};
static_assert(sizeof(struct pin_longterm_test) == 24, "the numbers below say so");

#define GUP_TEST_CMD(nr)	(0xc0506700u + (nr))	/* reads and writes a struct gup_test */
#define GUP_FAST_BENCHMARK	GUP_TEST_CMD(1)
#define PIN_FAST_BENCHMARK	GUP_TEST_CMD(2)
#define PIN_LONGTERM_BENCHMARK	GUP_TEST_CMD(3)
#define GUP_BASIC_TEST		GUP_TEST_CMD(4)
#define PIN_BASIC_TEST		GUP_TEST_CMD(5)
#define DUMP_USER_PAGES_TEST	GUP_TEST_CMD(6)
#define PIN_LONGTERM_TEST_START	0x40186707u
#define PIN_LONGTERM_TEST_STOP	0x00006708u
#define PIN_LONGTERM_TEST_READ	0x40086709u

#define DUMP_PAGES_USE_PIN	1u	/* in test_flags */
#define PIN_TEST_USE_WRITE	1u	/* in pin_longterm_test.flags */
#define PIN_TEST_USE_FAST	2u

/* What one open file holds. */
struct gup_holder {
	struct mutex lock;
	struct page **pages;	/* NULL: nothing */
	unsigned long nr;
};

#define MAX_PAGES 0x7fffffffUL

/* Room for NR pointers, or NULL. */
static struct page **alloc_page_array(unsigned long nr)
{
	return nr > MAX_PAGES ? NULL : kvmalloc(max(nr, 1UL) * sizeof(struct page *), GFP_KERNEL);
}

/*
 * At most NR (no more than MAX_PAGES) pages from ADDR on by FLAGS; how many, or -errno. FAST: without the
 * mmap lock, which the caller holds for reading otherwise.
 */
static long take(unsigned long addr, unsigned long nr, unsigned int flags, bool fast, struct page **pages)
{
	if (!access_ok((void __user *)addr, nr << PAGE_SHIFT))
		return -EFAULT;
	if (fast)
		return get_user_pages_fast(addr, (int)nr, flags, pages);
	return get_user_pages_remote(current->mm, addr, nr, flags, pages, NULL);
}

static void give_back(struct page **pages, unsigned long nr, bool pinned)
{
	if (pinned)
		unpin_user_pages(pages, (int)nr);
	else
		for (unsigned long i = 0; i < nr; i++)
			put_page(pages[i]);
}

/* ---- Held and let go at once ---- */

static bool cmd_is_fast(unsigned int cmd)
{
	return cmd == GUP_FAST_BENCHMARK || cmd == PIN_FAST_BENCHMARK;
}

static bool cmd_pins(unsigned int cmd, const struct gup_test *gup)
{
	if (cmd == DUMP_USER_PAGES_TEST)
		return gup->test_flags & DUMP_PAGES_USE_PIN;
	return cmd != GUP_FAST_BENCHMARK && cmd != GUP_BASIC_TEST;
}

/* How pages are taken for CMD; flags of GUP that concern the caller only are left out. */
static unsigned int cmd_flags(unsigned int cmd, const struct gup_test *gup)
{
	unsigned int flags = gup->gup_flags & (FOLL_WRITE | FOLL_FORCE);

	flags |= cmd_pins(cmd, gup) ? FOLL_PIN : FOLL_GET;
	return cmd == PIN_LONGTERM_BENCHMARK ? flags | FOLL_LONGTERM : flags;
}

/*
 * Take the range piece by piece; gup->size becomes how far it came (the last piece whole). A piece that comes
 * back short or fails is the end, and no error. Returns how many pages there are.
 */
static unsigned long take_range(unsigned int cmd, struct gup_test *gup, struct page **pages)
{
	u64 at = 0, per_call = (u64)gup->nr_pages_per_call << PAGE_SHIFT, bytes;
	unsigned int flags = cmd_flags(cmd, gup);
	unsigned long done = 0;
	long got;

	while (at < gup->size) {
		bytes = min(per_call, gup->size - at);
		if (bytes < PAGE_SIZE)
			break;
		got = take(gup->addr + at, bytes >> PAGE_SHIFT, flags, cmd_is_fast(cmd), pages + done);
		if (got <= 0)
			break;
		done += (unsigned long)got;
		at += bytes;
		if (got != gup->nr_pages_per_call)
			break;
	}
	gup->size = at;
	return done;
}

static void dump_page(struct page *page, unsigned int number)
{
	struct folio *f = page_folio(page);

	pr_info("gup_test: page %u: pfn %lx order %u refs %d mapcount %d pinned %d anon %d exclusive %d\n",
		number, page_to_pfn(page), folio_order(f), folio_ref_count(f), folio_mapcount(f),
		folio_maybe_dma_pinned(f), folio_test_anon(f), PageAnonExclusive(page));
}

static void dump_pages(struct gup_test *gup, struct page **pages, unsigned long nr)
{
	for (int i = 0; i < GUP_TEST_MAX_PAGES_TO_DUMP; i++) {
		if (gup->which_pages[i] > nr)
			gup->which_pages[i] = 0;
		if (gup->which_pages[i])
			dump_page(pages[gup->which_pages[i] - 1], gup->which_pages[i]);
	}
}

static long run_test(unsigned int cmd, struct gup_test *gup)
{
	struct page **pages = alloc_page_array(gup->size >> PAGE_SHIFT);
	bool slow = !cmd_is_fast(cmd);
	unsigned long nr;
	u64 start;

	if (!pages)
		return -ENOMEM;
	if (slow && mmap_read_lock_killable(current->mm)) {
		kvfree(pages);
		return -EINTR;
	}
	start = ktime_get();
	nr = take_range(cmd, gup, pages);
	gup->get_delta_usec = (ktime_get() - start) / 1000;
	if (cmd == DUMP_USER_PAGES_TEST)
		dump_pages(gup, pages, nr);
	start = ktime_get();
	give_back(pages, nr, cmd_pins(cmd, gup));
	gup->put_delta_usec = (ktime_get() - start) / 1000;
	if (slow)
		mmap_read_unlock(current->mm);
	kvfree(pages);
	return 0;
}

static long gup_test_command(unsigned int cmd, void __user *arg)
{
	struct gup_test gup;
	long err;

	if (copy_from_user(&gup, arg, sizeof(gup)))
		return -EFAULT;
	err = run_test(cmd, &gup);
	if (err)
		return err;
	return copy_to_user(arg, &gup, sizeof(gup)) ? -EFAULT : 0;
}

/* ---- Held until told otherwise. => holder's lock ---- */

static void pin_stop(struct gup_holder *h)
{
	if (h->pages)
		unpin_user_pages(h->pages, (int)h->nr);
	kvfree(h->pages);
	h->pages = NULL;
	h->nr = 0;
}

/* All NR pages from ADDR on into H, whose array is there, or an error and none. */
static long pin_all(struct gup_holder *h, unsigned long addr, unsigned long nr, unsigned int flags, bool fast)
{
	long got = 0;

	while (h->nr < nr) {
		got = take(addr + (h->nr << PAGE_SHIFT), nr - h->nr, flags, fast, h->pages + h->nr);
		if (got <= 0) {
			pin_stop(h);
			return got ? got : -EFAULT;
		}
		h->nr += (unsigned long)got;
	}
	return 0;
}

static long pin_start(struct gup_holder *h, const void __user *arg)
{
	struct pin_longterm_test args;
	unsigned int flags = FOLL_PIN | FOLL_LONGTERM;
	bool fast;
	long err;

	if (h->pages)
		return -EINVAL;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (args.flags & ~(PIN_TEST_USE_WRITE | PIN_TEST_USE_FAST))
		return -EINVAL;
	if (((args.addr | args.size) & ~PAGE_MASK) || !args.size || args.size >> 63)
		return -EINVAL;
	h->pages = alloc_page_array(args.size >> PAGE_SHIFT);
	if (!h->pages)
		return -ENOMEM;
	flags |= args.flags & PIN_TEST_USE_WRITE ? FOLL_WRITE : 0;
	fast = args.flags & PIN_TEST_USE_FAST;
	if (!fast && mmap_read_lock_killable(current->mm)) {
		pin_stop(h);
		return -EINTR;
	}
	err = pin_all(h, args.addr, args.size >> PAGE_SHIFT, flags, fast);
	if (!fast)
		mmap_read_unlock(current->mm);
	return err;
}

/* Copy what the pinned pages hold now to the address at ARG. */
static long pin_read(struct gup_holder *h, const u64 __user *arg)
{
	u64 to;

	if (!h->pages)
		return -EINVAL;
	if (get_user(to, arg))
		return -EFAULT;
	for (unsigned long i = 0; i < h->nr; i++, to += PAGE_SIZE) {
		char __user *user = (char __user *)to;

		if (!access_ok(user, PAGE_SIZE) || copy_to_user(user, page_address(h->pages[i]), PAGE_SIZE))
			return -EFAULT;
	}
	return 0;
}

static long pin_command(struct gup_holder *h, unsigned int cmd, unsigned long arg)
{
	long ret = 0;

	mutex_lock(&h->lock);
	if (cmd == PIN_LONGTERM_TEST_START)
		ret = pin_start(h, (const void __user *)arg);
	else if (cmd == PIN_LONGTERM_TEST_READ)
		ret = pin_read(h, (const u64 __user *)arg);
	else
		pin_stop(h);
	mutex_unlock(&h->lock);
	return ret;
}

/* ---- The file ---- */

static long gup_test_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case GUP_FAST_BENCHMARK:
	case PIN_FAST_BENCHMARK:
	case PIN_LONGTERM_BENCHMARK:
	case GUP_BASIC_TEST:
	case PIN_BASIC_TEST:
	case DUMP_USER_PAGES_TEST:
		return gup_test_command(cmd, (void __user *)arg);
	case PIN_LONGTERM_TEST_START:
	case PIN_LONGTERM_TEST_STOP:
	case PIN_LONGTERM_TEST_READ:
		return pin_command(f->private_data, cmd, arg);
	}
	return -EINVAL;
}

static int gup_test_open(struct inode *inode, struct file *f)
{
	struct gup_holder *h = kzalloc(sizeof(*h), GFP_KERNEL);

	if (!h)
		return -ENOMEM;
	mutex_init(&h->lock);
	f->private_data = h;
	return 0;
}

static void gup_test_release(struct inode *inode, struct file *f)
{
	pin_stop(f->private_data);
	kfree(f->private_data);
}

static const struct file_operations gup_test_fops = {
	.open = gup_test_open,
	.ioctl = gup_test_ioctl,
	.release = gup_test_release,
};
static const struct pseudo_ops gup_test_ops = { .fops = &gup_test_fops };

static int gup_test_init(void)
{
	pseudo_create(debugfs_root, "gup_test", 0600, &gup_test_ops, NULL);
	return 0;
}
fs_initcall(gup_test_init);
