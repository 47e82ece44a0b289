/*
 * tests/user/pageblock.c - pageblocks and their types: who takes memory of another type, when a block changes and when it
 * does not (rules MIG-8 to MIG-10; scenario T-MIG-8, and the clause of T-MIG-9 about unmovable pages).
 */
#include "tests/user/zones.h"

/* ---- Pageblocks (T-MIG-8) ---- */

/* How many blocks are of a type: 0 Unmovable, 1 Movable, 2 Reclaimable. */
static long blocks_of(int type)
{
	char *at = ktap_read("/proc/pagetypeinfo"), name[20];
	long sum = 0, n[3];
	at = at ? strstr(at, "Number of blocks") : NULL;
	while (at && (at = strchr(at, '\n')) && *++at)
		if (sscanf(at, "Node 0, zone %19s %ld %ld %ld", name, &n[0], &n[1], &n[2]) == 4)
			sum += n[type];
	return sum;
}
TEST(an_unmovable_page_without_a_place_turns_one_block)
{
	need_controls();
	give_all_back();
	/*
	 * Whatever ran before has left pieces that are Unmovable and free: at most all that is left free, and less than the
	 * Movable blocks, so that they are used up long before memory is low.
	 */
	EXPECT_EQ(control("alloc", "take 10 movable 40"), 0);
	EXPECT_EQ(control("alloc", "fill %ld", high_pages() + BLOCK), 0);
	EXPECT_EQ(control("alloc", "free 10 movable"), 0);	/* eighty blocks, Movable */
	int fd = OK(open(QUIRE_DIR "alloc", O_RDWR | O_CLOEXEC));
	long before = blocks_of(0), got = 0;
	while (blocks_of(0) == before && free_of("Unmovable") > 500 && got++ < 400)
		say(fd, "take 0 unmovable 100");
	while (blocks_of(0) == before && got++ < 3000)
		say(fd, "take 0 unmovable 1");
	long turned = blocks_of(0);
	EXPECT_GE(turned, before + 1);
	EXPECT_LE(turned, before + 2);		/* a free block of order 10 turns as a whole */
	/* The batch for this CPU came from it, too; others may want some for themselves. */
	say(fd, "take 0 unmovable %d", BLOCK - 32 - 100);
	EXPECT_EQ(blocks_of(0), turned);
	long free = free_of("Unmovable");
	say(fd, "free 0 unmovable");
	say(fd, "fill %ld", 1l << 40);		/* all of it, and the lists of the CPUs are emptied */
	EXPECT_GE(free_of("Unmovable"), free + BLOCK - 32 - 100);
	close(fd);
	give_all_back();
}

/* What the `pageblock` control tells of the block around a page of ours. */
struct block { char type[16]; long free, lru, other; };
static struct block block_of(const char *p)
{
	struct block b = { "?", -1, -1, -1 };
	EXPECT_EQ(control("pageblock", "%lu", (unsigned long)pfn_of(p)), 0);
	char *text = ktap_read(QUIRE_DIR "pageblock"), *at = text ? strstr(text, "type=") : NULL;
	if (!at || sscanf(at, "type=%15s fruitless=%*d free=%ld lru=%ld other=%ld", b.type, &b.free, &b.lru, &b.other) != 4)
		KTAP_FAIL("# the pageblock control says %s", text ? text : "nothing");
	return b;
}
/* How many blocks the first "take" of the last command got. */
static long got(void)
{
	char *text = ktap_read(QUIRE_DIR "alloc"), *at = text ? strstr(text, "\ngot ") : NULL;
	return at ? atol(at + 5) : -1;
}
/*
 * Enough free memory for everybody's watermarks, but nowhere 2^ORDER pages in one piece (ORDER: 3 or more), and nothing in
 * the lists of the CPUs: one page of each eight is a small one of ours.
 */
static void only_small_pieces(int order)
{
	size_t n = (size_t)(high_pages() + 4 * BLOCK);
	EXPECT_EQ(control("alloc", "fill %ld", high_pages() + (long)n), 0);
	char *p = anon(n * PAGE);
	OK(madvise(p, n * PAGE, MADV_NOHUGEPAGE));
	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = 1;
	uint64_t *pfn = frames_of(p, n * PAGE);
	for (size_t i = 0; i < n; i++)
		if (pfn[i] % 8)
			OK(madvise(p + i * PAGE, PAGE, MADV_DONTNEED));
	free(pfn);
	for (int o = 10; o >= order; o--)
		EXPECT_EQ(control("alloc", "drain; take %d reclaimable 100000", o), 0);
	EXPECT_EQ(free_of_order("Movable", order) + free_of_order("Unmovable", order) + free_of_order("Reclaimable", order), 0);
}

/* One piece for an unmovable request that finds none on its own list. */
static void take_unmovable(int order)
{
	char take[60];
	snprintf(take, sizeof(take), "drain; take %d unmovable 1", order);
	for (int i = 0; i < 100 && free_of_order("Unmovable", order); i++)
		EXPECT_EQ(control("alloc", "%s", take), 0);
	EXPECT_EQ(free_of_order("Unmovable", order), 0);
	EXPECT_EQ(control("alloc", "%s", take), 0);
	EXPECT_EQ(got(), 1);
}

/* MIG-9: others may have a Movable block of which half is neither on an LRU list nor in anybody's use. */
TEST(half_of_a_block_is_enough_to_claim_it)
{
	need_controls();
	give_all_back();
	char *p = large_area(HUGE, HUGE_ORDER), range[80];
	split_pmds(p, HUGE);
	snprintf(range, sizeof(range), "%d,0x%lx,0x%lx", (int)getpid(), (unsigned long)p, (unsigned long)(p + HUGE));
	EXPECT_EQ(ktap_write("/sys/kernel/debug/split_huge_pages", range), 0);
	only_small_pieces(7);
	/* 255 pages of it are free, 128 of them in one piece. */
	OK(madvise(p, 255 * PAGE, MADV_DONTNEED));
	take_unmovable(7);
	struct block b = block_of(p + 300 * PAGE);
	EXPECT_STR(b.type, "Movable");
	EXPECT_EQ(b.free, 127);
	EXPECT_EQ(b.lru, 257);
	/* And one more. */
	EXPECT_EQ(control("alloc", "free 7 unmovable"), 0);
	OK(madvise(p + 255 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(control("alloc", "drain"), 0);
	EXPECT_EQ(block_of(p + 300 * PAGE).free, 256);
	take_unmovable(7);
	b = block_of(p + 300 * PAGE);
	EXPECT_STR(b.type, "Unmovable");
	EXPECT_EQ(b.free, 128);
	EXPECT_EQ(free_of_order("Unmovable", 7), 128);
	EXPECT_EQ(wrong_pages(p + 256 * PAGE, HUGE / 2, 256), 0);
	give_all_back();
}

TEST(small_movable_requests_take_and_change_nothing)
{
	need_controls();
	give_all_back();
	EXPECT_EQ(control("alloc", "take 3 unmovable 1"), 0);
	only_small_pieces(3);
	EXPECT_EQ(control("alloc", "free 3 unmovable; drain"), 0);
	/* Its block may have changed hands since, but not to Movable. */
	long pages = free_of_order("Unmovable", 3) + free_of_order("Reclaimable", 3);
	long unmovable = blocks_of(0), movable = blocks_of(1), reclaimable = blocks_of(2);
	EXPECT_GE(pages, 8);			/* and what the kernel has given back itself */
	EXPECT_EQ(control("alloc", "take 3 movable 1"), 0);
	EXPECT_EQ(got(), 1);
	EXPECT_EQ(free_of_order("Unmovable", 3) + free_of_order("Reclaimable", 3), pages - 8);
	EXPECT_EQ(blocks_of(0), unmovable);
	EXPECT_EQ(blocks_of(1), movable);
	EXPECT_EQ(blocks_of(2), reclaimable);
	give_all_back();
}

/* ---- Compaction can do nothing about what cannot move (T-MIG-9) ---- */

TEST(an_unmovable_page_in_each_block_keeps_it)
{
	need_controls();
	give_all_back();
	EXPECT_EQ(control("alloc", "fill %ld", high_pages() + 40 * BLOCK), 0);
	EXPECT_EQ(control("alloc", "take 0 unmovable %d; thin 0 unmovable; drain", 40 * BLOCK), 0);
	compact_all();
	long blocks = huge_blocks(), free = free_pages();
	EXPECT_GE(free, 38 * BLOCK);
	compact_all();
	EXPECT_EQ(huge_blocks(), blocks);
	EXPECT_LE(labs(free_pages() - free), 64);
	EXPECT_EQ(control("alloc", "free 0 unmovable; drain"), 0);
	EXPECT_GE(huge_blocks(), blocks + 10);	/* whatever else had small pages in some of them */
	give_all_back();
}
