/*
 * tests/user/gup.c - references and pins on user pages: what they keep, what they promise, and that fork and
 * copy-on-write respect them, for each way in which memory can be mapped (rules PIN-1 to PIN-9, COW-5, 12, 22).
 *
 * Plain references are taken by vmsplice, pins by /sys/kernel/debug/gup_test.
 */
#include "tests/user/large.h"
#include <pthread.h>

static char *room(size_t n)
{
	return OK(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/* ---- The interface ---- */

TEST(bad_requests_are_refused)
{
	int fd = gup_open();
	char *p = anon(4 * PAGE);
	uint64_t to = (uintptr_t)p;
	EXPECT_ERR(ioctl(fd, 0xdead), EINVAL);
	EXPECT_ERR(ioctl(fd, PIN_LONGTERM_TEST_READ, &to), EINVAL);		/* nothing is held */
	EXPECT_EQ(ioctl(fd, PIN_LONGTERM_TEST_STOP), 0);
	EXPECT_EQ(gup_pin(fd, p + 1, PAGE, 0), EINVAL);
	EXPECT_EQ(gup_pin(fd, p, PAGE + 1, 0), EINVAL);
	EXPECT_EQ(gup_pin(fd, p, 0, 0), EINVAL);
	EXPECT_EQ(gup_pin(fd, p, PAGE, 4), EINVAL);
	EXPECT_EQ(gup_pin(fd, p + 4 * PAGE, PAGE, 0), EFAULT);		/* not mapped */
	EXPECT_EQ(gup_pin(fd, p, 5 * PAGE, PIN_WRITE), EFAULT);		/* its end is not: nothing stays pinned */
	EXPECT_EQ(gup_pin(fd, p, 4 * PAGE, PIN_WRITE | PIN_FAST), 0);
	EXPECT_EQ(gup_pin(fd, p, PAGE, PIN_WRITE), EINVAL);			/* one at a time */
	to = 0;
	EXPECT_ERR(ioctl(fd, PIN_LONGTERM_TEST_READ, &to), EFAULT);
	EXPECT_ERR(ioctl(fd, PIN_LONGTERM_TEST_READ, NULL), EFAULT);
	gup_unpin(fd);
	EXPECT_EQ(gup_pin(fd, p, PAGE, PIN_WRITE), 0);
	OK(mprotect(p, PAGE, PROT_READ));
	gup_unpin(fd);
	EXPECT_EQ(gup_pin(fd, p, PAGE, PIN_WRITE), EFAULT);
	EXPECT_EQ(gup_pin(fd, p, PAGE, 0), 0);
	close(fd);
	EXPECT_ERR(ioctl(gup_open(), PIN_LONGTERM_TEST_START, NULL), EFAULT);
}

static void expect_all_released(void)
{
	ktap_write("/proc/sys/vm/stat_refresh", "1");	/* Linux counts per CPU; Quire has no such file and needs none */
	EXPECT_EQ(vmstat("nr_foll_pin_acquired"), vmstat("nr_foll_pin_released"));
}
/* Each command over a range, in pieces of 7 pages; all pins are given back. */
TEST_KINDS(commands_take_and_drop)
{
	static const unsigned long commands[] = { GUP_FAST_BENCHMARK, PIN_FAST_BENCHMARK, PIN_LONGTERM_BENCHMARK,
						  GUP_BASIC_TEST, PIN_BASIC_TEST, DUMP_USER_PAGES_TEST };
	int fd = gup_open();
	char *p = area_of(k);
	long refs = folio_state(getpid(), p).refs;
	for (size_t c = 0; c < sizeof(commands) / sizeof(commands[0]); c++)
		for (unsigned int write = 0; write < 2; write++) {
			struct gup_test g = { .addr = (uintptr_t)p, .size = k->size, .nr_pages_per_call = 7,
					      .gup_flags = write, .test_flags = 1 };
			EXPECT_EQ(ioctl(fd, commands[c], &g), 0);
			EXPECT_EQ(g.size, k->size);
		}
	expect_all_released();
	EXPECT_EQ(folio_state(getpid(), p).refs, refs);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	/* A range that ends in nothing: as far as it goes, in whole pieces. */
	struct gup_test g = { .addr = (uintptr_t)p, .size = k->size + PAGE, .nr_pages_per_call = 8 };
	EXPECT_EQ(ioctl(fd, GUP_BASIC_TEST, &g), 0);
	EXPECT_EQ(g.size, k->size);
	expect_all_released();
}

TEST(pages_are_faulted_in)
{
	int fd = gup_open();
	char *p = anon(8 * PAGE), *copy = room(8 * PAGE);
	EXPECT_EQ(gup_pin(fd, p, 8 * PAGE, PIN_WRITE | PIN_FAST), 0);
	for (int i = 0; i < 8; i++)
		EXPECT_TRUE(is_present(p + i * PAGE));
	fill_pages(p, 8 * PAGE);
	gup_read(fd, copy);
	EXPECT_EQ(wrong_pages(copy, 8 * PAGE, 0), 0);
}

/* ---- What is held is what is mapped ---- */

/* Every page of the range, in order, on either path; and the pin sees what the process writes later. */
TEST_KINDS(pin_sees_the_pages_and_later_writes)
{
	int fd = gup_open();
	char *p = area_of(k), *copy = room(k->size);
	for (unsigned int flags = 0; flags < 4; flags++) {
		EXPECT_EQ(gup_pin(fd, p, k->size, flags), 0);
		memset(copy, 0, k->size);
		gup_read(fd, copy);
		EXPECT_EQ(wrong_pages(copy, k->size, 0), 0);
		p[3 * PAGE + 5] = (char)('0' + flags);
		gup_read(fd, copy);
		EXPECT_EQ(copy[3 * PAGE + 5], '0' + (int)flags);
		gup_unpin(fd);
	}
	EXPECT_EQ(huge_mapped(p), k == BY_PMD ? 2048 : 0);	/* pinning splits nothing */
}

/* One pin for each page, and a reference each: PIN-2. */
TEST_KINDS(pins_are_counted_per_page)
{
	int fd = gup_open();
	char *p = area_of(k);
	struct folio_state was = folio_state(getpid(), p), is;
	if (!was.valid)
		SKIP("no folio control");
	for (unsigned int flags = PIN_WRITE; flags <= (PIN_WRITE | PIN_FAST); flags += PIN_FAST) {
		EXPECT_EQ(gup_pin(fd, p, 5 * PAGE, flags), 0);
		is = folio_state(getpid(), p);
		EXPECT_EQ(is.refs, was.refs + (k->order ? 5 : 1024));
		EXPECT_EQ(folio_number(getpid(), p, "pins"), k->order ? 5 : 1);
		EXPECT_EQ(is.total, was.total);
		gup_unpin(fd);
		EXPECT_EQ(folio_state(getpid(), p).refs, was.refs);
		EXPECT_EQ(folio_number(getpid(), p, "pins"), 0);
	}
}

/* A range over folios of all sizes, and the border of a table. */
TEST(range_over_folios_of_all_sizes)
{
	int fd = gup_open();
	char *huge = large_area(HUGE, HUGE_ORDER);
	char *p = reserve(3 * HUGE), *copy = room(2 * HUGE);
	size_t n = HUGE + 32 * PAGE;
	/* 16 small pages, a huge one, and 16 pages of whatever the system gives there. */
	char *start = p + HUGE - 16 * PAGE;
	EXPECT_TRUE(mremap(huge, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + HUGE) == p + HUGE);
	OK(madvise(start, 16 * PAGE, MADV_NOHUGEPAGE));
	fill_pages(start, n);
	EXPECT_EQ(huge_mapped(p + HUGE), 2048);
	for (unsigned int flags = 0; flags < 4; flags++) {
		EXPECT_EQ(gup_pin(fd, start + PAGE, n - 2 * PAGE, flags), 0);
		memset(copy, 0, n);
		gup_read(fd, copy);
		EXPECT_EQ(wrong_pages(copy, n - 2 * PAGE, 1), 0);
		gup_unpin(fd);
	}
}

/* The pages of a plain reference are those that were mapped, wherever they lie in their folio. */
TEST_KINDS(plain_reference_holds_the_right_page)
{
	char *p = area_of(k), buffer[3 * PAGE];
	long refs = folio_state(getpid(), p).refs;
	int fds[2];
	hold_plainly(fds, p + 9 * PAGE, 3 * PAGE);
	if (folio_state(getpid(), p).valid && k->order)
		EXPECT_EQ(folio_state(getpid(), p).refs, refs + 3);
	EXPECT_EQ(read(fds[0], buffer, PAGE), (long)PAGE);
	EXPECT_EQ(wrong_pages(buffer, PAGE, 9), 0);
	if (k->order)
		EXPECT_EQ(folio_state(getpid(), p).refs, folio_state(getpid(), p).valid ? refs + 2 : 0);
	OK(munmap(p, k->size));
	EXPECT_EQ(read(fds[0], buffer, 2 * PAGE), (long)(2 * PAGE));
	EXPECT_EQ(wrong_pages(buffer, 2 * PAGE, 10), 0);
}

/* ---- Zero pages and files: PIN-3, PIN-5 ---- */

TEST(zero_page_is_not_pinned)
{
	int fd = gup_open();
	volatile char *p = anon(4 * PAGE);
	long before = vmstat("nr_foll_pin_acquired");
	EXPECT_EQ(p[0] + p[PAGE], 0);
	uint64_t zero = pfn_of(p);
	for (unsigned long cmd = PIN_FAST_BENCHMARK;; cmd = PIN_BASIC_TEST) {
		struct gup_test g = { .addr = (uintptr_t)p, .size = 2 * PAGE, .nr_pages_per_call = 2 };
		EXPECT_EQ(ioctl(fd, cmd, &g), 0);
		EXPECT_EQ(g.size, 2 * PAGE);
		if (cmd == PIN_BASIC_TEST)
			break;
	}
	EXPECT_EQ(pfn_of(p), zero);
	if (ktap_is_quire())
		EXPECT_EQ(vmstat("nr_foll_pin_acquired"), before);
	/* For long: a page of its own is made first, so that later writes are seen. */
	for (unsigned int flags = 0; flags <= PIN_FAST; flags += PIN_FAST) {
		char seen[2 * PAGE];
		EXPECT_EQ(gup_pin(fd, p, 2 * PAGE, flags), 0);
		EXPECT_NE(pfn_of(p), zero);
		uint64_t own = pfn_of(p);
		p[7] = '!';
		EXPECT_EQ(pfn_of(p), own);
		gup_read(fd, seen);
		EXPECT_EQ(seen[7], '!');
		gup_unpin(fd);
		OK(madvise((void *)p, 4 * PAGE, MADV_DONTNEED));
		EXPECT_EQ(p[0] + p[PAGE], 0);
		EXPECT_EQ(pfn_of(p), zero);
	}
}

TEST(huge_zero_page_is_left_for_a_long_term_pin)
{
	int fd = gup_open();
	volatile char *p = large_area(HUGE, HUGE_ORDER);
	char *seen = room(HUGE);
	OK(madvise((void *)p, HUGE, MADV_DONTNEED));
	char old[32];
	if (!choose(THP_DIR "enabled", "madvise", old))
		SKIP("no huge pages");
	int zero = p[0];
	ktap_write(THP_DIR "enabled", old);
	EXPECT_EQ(zero, 0);
	if (pfn_of(p + PAGE) != pfn_of(p) + 1)
		SKIP("no huge zero page");
	uint64_t pfn = pfn_of(p);
	struct gup_test g = { .addr = (uintptr_t)p, .size = HUGE, .nr_pages_per_call = 100 };
	EXPECT_EQ(ioctl(fd, GUP_FAST_BENCHMARK, &g), 0);
	g.size = HUGE;
	EXPECT_EQ(ioctl(fd, GUP_BASIC_TEST, &g), 0);
	EXPECT_EQ(g.size, HUGE);
	EXPECT_EQ(pfn_of(p), pfn);
	EXPECT_EQ(gup_pin(fd, p + 5 * PAGE, 4 * PAGE, 0), 0);
	EXPECT_NE(pfn_of(p + 5 * PAGE), pfn + 5);
	memset((void *)(p + 5 * PAGE), 'z', 4 * PAGE);
	gup_read(fd, seen);
	EXPECT_EQ(seen[0] + seen[4 * PAGE - 1], 2 * 'z');
	EXPECT_EQ(p[0] + p[4 * PAGE] + p[9 * PAGE], 0);
}

/* A private file page: as it is for a short pin; a copy of one's own first for a long one. */
TEST(private_file_page_is_copied_for_a_long_term_pin)
{
	int fd = gup_open(), file = OK(memfd_create("gup", 0));
	char page[PAGE], seen[PAGE];
	memset(page, 'f', PAGE);
	EXPECT_EQ(write(file, page, PAGE), (long)PAGE);
	char *p = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
	EXPECT_EQ(*(volatile char *)p, 'f');
	uint64_t cached = pfn_of(p);
	struct gup_test g = { .addr = (uintptr_t)p, .size = PAGE, .nr_pages_per_call = 1 };
	EXPECT_EQ(ioctl(fd, PIN_BASIC_TEST, &g), 0);
	EXPECT_EQ(pfn_of(p), cached);
	EXPECT_EQ(gup_pin(fd, p, PAGE, PIN_FAST), 0);
	EXPECT_NE(pfn_of(p), cached);
	p[1] = 'w';
	gup_read(fd, seen);
	EXPECT_EQ(seen[0], 'f');
	EXPECT_EQ(seen[1], 'w');
	EXPECT_EQ(pread(file, page, PAGE, 0), (long)PAGE);
	EXPECT_EQ(page[1], 'f');
	/* A shared mapping: the page itself. */
	gup_unpin(fd);
	char *s = OK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
	EXPECT_EQ(gup_pin(fd, s, PAGE, PIN_WRITE | PIN_FAST), 0);
	EXPECT_EQ(pfn_of(s), cached);
	s[2] = 's';
	gup_read(fd, seen);
	EXPECT_EQ(seen[2], 's');
}

/* ---- fork ---- */

/* T-COW-7: a pinned page stays the parent's; the child gets copies at once. A large folio is copied as a whole. */
TEST_KINDS(pinned_before_fork_child_gets_copies)
{
	int fd = gup_open();
	char *p = area_of(k), seen[PAGE];
	uint64_t *pfn = pfns(p, k->size);
	long splits = vmstat("thp_split_pmd");
	size_t copied = k->order ? k->size / PAGE : 1, others = k->size / PAGE - copied;
	EXPECT_EQ(gup_pin(fd, p + 3 * PAGE, PAGE, PIN_WRITE), 0);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(moved_pages(p, k->size, pfn), copied);
		EXPECT_NE(pfn_of(p + 3 * PAGE), pfn[3]);
		EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(p[3 * PAGE], byte_of(3));
		p[3 * PAGE] = 'C';
		ktap_exit();
	}
	parent_waits(&t);
	if (ktap_is_quire())
		EXPECT_EQ(vmstat("thp_split_pmd") - splits, k == BY_PMD);
	if (k->order)
		EXPECT_STATE(p, (long)copied, (long)copied + 1, (long)copied, 0, 0);
	EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
	long faults = vmstat("pgreuse");
	p[3 * PAGE] = 'P';
	if (ktap_is_quire())
		EXPECT_EQ(vmstat("pgreuse"), faults);	/* still writable: no fault */
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(pfn_of(p + 3 * PAGE), pfn[3]);
	gup_read(fd, seen);
	EXPECT_EQ(seen[0], 'P');
	EXPECT_EQ(others, k->order ? 0 : k->size / PAGE - 1);
}

/* T-COW-8: a read-only pin of a shared page first makes the page the process's own. */
TEST_KINDS(read_only_pin_after_fork_unshares)
{
	for (unsigned int flags = 0; flags <= PIN_FAST; flags += PIN_FAST) {
		int fd = gup_open();
		char *p = area_of(k), seen[PAGE];
		uint64_t *pfn = pfns(p, k->size);
		struct turns t;
		turns_init(&t);
		pid_t pid = ktap_fork();
		if (!pid) {
			child_waits(&t);
			EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
			EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
			ktap_exit();
		}
		EXPECT_EQ(gup_pin(fd, p + 2 * PAGE, PAGE, flags), 0);
		EXPECT_EQ(moved_pages(p, k->size, pfn), 1);
		uint64_t own = pfn_of(p + 2 * PAGE);
		EXPECT_NE(own, pfn[2]);
		p[2 * PAGE] = 'P';
		EXPECT_EQ(pfn_of(p + 2 * PAGE), own);
		gup_read(fd, seen);
		EXPECT_EQ(seen[0], 'P');
		EXPECT_EQ(seen[1], byte_of(2));
		child_go(&t);
		EXPECT_CHILD(pid);
		close(fd);
		munmap(p, k->size);
	}
}

/* T-COW-18: pinned read-only, then written to: reuse, though there are more references than mappings. */
TEST(huge_page_pinned_then_written_stays)
{
	int fd = gup_open();
	char *p = large_area(HUGE, HUGE_ORDER), seen[PAGE];
	uint64_t *pfn = pfns(p, HUGE);
	fork_and_exit();
	long splits = vmstat("thp_split_pmd");
	EXPECT_EQ(gup_pin(fd, p + 100 * PAGE, PAGE, 0), 0);
	EXPECT_STATE(p, 1, 2, 1, 0, 0);
	p[100 * PAGE] = 'P';
	EXPECT_EQ(moved_pages(p, HUGE, pfn), 0);
	EXPECT_EQ(huge_mapped(p), 2048);
	if (ktap_is_quire())
		EXPECT_EQ(vmstat("thp_split_pmd"), splits);
	gup_read(fd, seen);
	EXPECT_EQ(seen[0], 'P');
}
TEST(huge_page_pinned_then_split_then_written_stays)
{
	int fd = gup_open();
	char *p = large_area(HUGE, HUGE_ORDER), seen[PAGE];
	uint64_t *pfn = pfns(p, HUGE);
	fork_and_exit();
	EXPECT_EQ(gup_pin(fd, p + 100 * PAGE, PAGE, 0), 0);
	OK(madvise(p + 300 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(huge_mapped(p), 0);
	EXPECT_STATE(p, 511, 512, 511, 0, 0);
	long reused = vmstat("pgreuse");
	p[100 * PAGE] = 'P';
	if (reused >= 0 && ktap_is_quire())
		EXPECT_EQ(vmstat("pgreuse"), reused + 1);
	EXPECT_EQ(pfn_of(p + 100 * PAGE), pfn[100]);
	gup_read(fd, seen);
	EXPECT_EQ(seen[0], 'P');
}

/* ---- Plain references and copy-on-write ---- */

/* T-COW-9: the child took a reference and unmapped; what the parent writes afterwards is not seen through it. */
static bool later_write_leaks(const struct kind *k)
{
	char *p = area_of(k);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		char got[8] = "";
		int fds[2];
		hold_plainly(fds, p + 5 * PAGE, PAGE);
		OK(munmap(p, k->size));
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(read(fds[0], got, 6), 6);
		_exit(!memcmp(got, "SECRET", 6) ? 10 : got[0] == byte_of(5) ? 11 : 12);
	}
	parent_waits(&t);
	memcpy(p + 5 * PAGE, "SECRET", 6);
	EXPECT_EQ(wrong_pages(p, 5 * PAGE, 0), 0);
	child_go(&t);
	int status = ktap_wait(pid);
	EXPECT_TRUE(status == EXITED(10) || status == EXITED(11));
	EXPECT_EQ(memcmp(p + 5 * PAGE, "SECRET", 6), 0);
	munmap(p, k->size);
	return status == EXITED(10);
}
TEST_KINDS(reference_of_a_child_does_not_see_later_writes)
{
	EXPECT_TRUE(!later_write_leaks(k));
}
/* The rule that asks the mapcounts alone does leak: CVE-2020-29374. */
TEST_LARGE_KINDS(mapcount_rule_leaks)
{
	if (!have_control("variant"))
		SKIP("no historical rules here");
	ASSERT_EQ(control("variant", "mapcount_only"), 0);
	bool leaks = later_write_leaks(k);
	EXPECT_EQ(control("variant", "none"), 0);
	EXPECT_TRUE(leaks);
	EXPECT_TRUE(!later_write_leaks(k));
}
TEST(mapcount_rule_leaks_4k)
{
	mapcount_rule_leaks(SMALL);
}

/* T-COW-10: an exclusive page is written in place, whatever references there are. */
TEST_KINDS(reference_to_an_exclusive_page_forces_no_copy)
{
	char *p = area_of(k), got[PAGE];
	uint64_t *pfn = pfns(p, k->size);
	int fds[2];
	hold_plainly(fds, p + 2 * PAGE, PAGE);
	OK(mprotect(p, k->size, PROT_READ));
	OK(mprotect(p, k->size, PROT_READ | PROT_WRITE));
	p[2 * PAGE] = 'N';
	EXPECT_EQ(moved_pages(p, k->size, pfn), 0);
	EXPECT_EQ(read(fds[0], got, PAGE), (long)PAGE);
	EXPECT_EQ(got[0], 'N');
}

/* The other side of it: not exclusive any more, one reference too many: a copy, though nobody else maps it. */
TEST_KINDS(reference_to_a_formerly_shared_page_forces_a_copy)
{
	stay_here();
	char *p = area_of(k), got[PAGE];
	uint64_t *pfn = pfns(p, k->size);
	int fds[2];
	fork_and_exit();
	hold_plainly(fds, p + 2 * PAGE, PAGE);
	p[2 * PAGE] = 'N';
	EXPECT_EQ(moved_pages(p, k->size, pfn), 1);
	EXPECT_EQ(read(fds[0], got, PAGE), (long)PAGE);
	EXPECT_EQ(got[0], byte_of(2));
	/* The reference is gone: the next page is reused. */
	close(fds[0]);
	close(fds[1]);
	p[4 * PAGE] = 'N';
	if (k == SMALL || large_folios_are_reused())
		EXPECT_EQ(pfn_of(p + 4 * PAGE), pfn[4]);
}

/* ---- T-COW-15: a pin keeps the frame, not the mapping ---- */

TEST_KINDS(pinned_page_outlives_its_mapping)
{
	for (int how = 0; how < 2; how++) {
		int fd = gup_open();
		char *p = area_of(k), *seen = room(2 * PAGE);
		uint64_t pfn = pfn_of(p + PAGE);
		EXPECT_EQ(gup_pin(fd, p + PAGE, 2 * PAGE, PIN_WRITE), 0);
		if (how == 0) {
			OK(madvise(p, k->size, MADV_DONTNEED));
			EXPECT_EQ(p[PAGE], 0);
			p[PAGE] = 'n';
			EXPECT_NE(pfn_of(p + PAGE), pfn);
		} else {
			OK(munmap(p, k->size));
		}
		if (!k->order)
			EXPECT_EQ(kpagecount(pfn), 0);
		gup_read(fd, seen);
		EXPECT_EQ(wrong_pages(seen, 2 * PAGE, 1), 0);
		close(fd);
		if (how == 0)
			munmap(p, k->size);
	}
	expect_all_released();
}

TEST_KINDS(pinned_page_follows_mremap)
{
	int fd = gup_open();
	char *p = area_of(k), *to = reserve(k->size < HUGE ? HUGE : k->size), seen[PAGE];
	uint64_t *pfn = pfns(p, k->size);
	EXPECT_EQ(gup_pin(fd, p + 6 * PAGE, PAGE, PIN_WRITE), 0);
	EXPECT_TRUE(mremap(p, k->size, k->size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	EXPECT_EQ(moved_pages(to, k->size, pfn), 0);
	EXPECT_EQ(touch_signal(p, false), SIGSEGV);
	to[6 * PAGE] = 'M';
	EXPECT_EQ(pfn_of(to + 6 * PAGE), pfn[6]);
	gup_read(fd, seen);
	EXPECT_EQ(seen[0], 'M');
}

/* ---- Races of the fast path: PIN-7 ---- */

static int race_fd;
static char *race_page;
static size_t race_size;
static void *pin_in_thread(void *unused)
{
	return (void *)(long)gup_pin(race_fd, race_page, PAGE, PIN_FAST | PIN_WRITE);
}
static void *drop_in_thread(void *unused)
{
	return (void *)(long)madvise(race_page, race_size, MADV_DONTNEED);
}

/*
 * The page is taken away after the fast path read its entry and before it takes its reference: it notices, and gets the
 * page that is there afterwards. Needs a CPU each for the parked thread, the one that waits for its TLB, and us.
 */
TEST_KINDS(page_that_goes_while_it_is_pinned)
{
	if (parked_at("gup_fast_b1") < 0 || ktap_cpus < 3)
		SKIP("needs the pause control and three CPUs");
	race_fd = gup_open();
	race_page = area_of(k);
	race_size = k == BY_PMD ? HUGE : PAGE;	/* who splits a PMD waits with its lock held, and pagemap for him */
	pthread_t pin, drop;
	char seen[PAGE];
	void *err;
	ASSERT_EQ(control("pause", "arm gup_fast_b1 %d once", (int)getpid()), 0);
	EXPECT_EQ(pthread_create(&pin, NULL, pin_in_thread, NULL), 0);
	EXPECT_TRUE(ktap_until(parked_at("gup_fast_b1") == 1));
	EXPECT_EQ(pthread_create(&drop, NULL, drop_in_thread, NULL), 0);
	/* Its entry goes before the others hear of it. */
	EXPECT_TRUE(ktap_until(!is_present(race_page)));
	EXPECT_EQ(control("pause", "release gup_fast_b1"), 0);
	pthread_join(pin, &err);
	EXPECT_EQ((long)err, 0);
	pthread_join(drop, &err);
	EXPECT_EQ((long)err, 0);
	gup_read(race_fd, seen);
	EXPECT_EQ(seen[0], 0);
	race_page[0] = 'R';
	gup_read(race_fd, seen);
	EXPECT_EQ(seen[0], 'R');
	control("pause", "disarm gup_fast_b1");
}

/* Pinners, forks and unmaps of the same memory at once: nobody sees foreign bytes, no count is lost. */
static volatile bool stop_pinning;
static char *busy_area;
static size_t busy_size;
static void *pin_repeatedly(void *unused)
{
	int fd = gup_open();
	while (!stop_pinning) {
		struct gup_test g = { .addr = (uintptr_t)busy_area, .size = busy_size, .nr_pages_per_call = 64 };
		static const unsigned long commands[] = { PIN_FAST_BENCHMARK, GUP_FAST_BENCHMARK, PIN_BASIC_TEST };
		OK(ioctl(fd, commands[ktap_random() % 3], &g));
	}
	close(fd);
	return NULL;
}
TEST_KINDS(pins_and_forks_at_once)
{
	pthread_t thread;
	busy_area = area_of(k);
	busy_size = k->size;
	close(gup_open());
	EXPECT_EQ(pthread_create(&thread, NULL, pin_repeatedly, NULL), 0);
	for (long i = 0; i < ktap_scale(40); i++) {
		size_t page = ktap_random() % (busy_size / PAGE);
		pid_t pid = ktap_fork();
		if (!pid) {
			EXPECT_EQ(wrong_pages(busy_area, busy_size, 0), 0);
			memset(busy_area + page * PAGE, 0, PAGE);
			ktap_exit();
		}
		fill_pages(busy_area, busy_size);
		EXPECT_CHILD(pid);
		EXPECT_EQ(wrong_pages(busy_area, busy_size, 0), 0);
	}
	stop_pinning = true;
	pthread_join(thread, NULL);
	OK(munmap(busy_area, busy_size));
	expect_all_released();
}
