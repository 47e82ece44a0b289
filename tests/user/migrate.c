/*
 * tests/user/migrate.c - moving folios to other frames: what stays as it was, who may do what meanwhile (rules MIG-1 to
 * MIG-6, RMAP-12). By the forced migration of Quire's controls.
 */
#include "tests/user/large.h"
#include "tests/user/swaparea.h"
#include <pthread.h>

/* ---- Helpers ---- */

static const char *last_result(void)
{
	static char word[32];
	char *text = ktap_read(QUIRE_DIR "force"), *at = text ? strstr(text, "\nresult: ") : NULL;
	if (!at || sscanf(at, "\nresult: %31s", word) != 1)
		return "?";
	return word;
}
static void need_force(void)
{
	if (!have_control("force"))
		SKIP("needs Quire's controls");
}
/* Does the process of this directory of /proc come to wait in the kernel? */
static bool waits(const char *dir)
{
	return ktap_until(ktap_state_of(dir) == 'D');
}
/* Move what PID has mapped at [P, P + N). The errno. */
static int migrate_of(pid_t pid, const char *p, size_t n, const char *mode)
{
	return control("force", "migrate %d 0x%lx 0x%lx %s", (int)pid, (unsigned long)p, (unsigned long)(p + n), mode);
}
static int migrate(const char *p, size_t n) { return migrate_of(getpid(), p, n, "sync"); }

#define NR(k) ((long)((k)->size / PAGE))
/* Cases for all that is moved as a whole. */
#define TEST_MOVED(n) \
	static void n(const struct kind *k); \
	TEST(n##_64k) { n(BY_64K); } \
	TEST(n##_2m_ptes) { n(BY_PTES); } \
	TEST(n##_2m_pmd) { n(BY_PMD); } \
	static void n(const struct kind *k)

/* ---- What stays (T-MIG-1) ---- */

TEST_KINDS(exclusive)
{
	need_force();
	char *p = area_of(k);
	uint64_t *before = frames_of(p, k->size);
	long rss = smaps_kb(p, "Anonymous"), dirty = smaps_kb(p, "Private_Dirty"), young = smaps_kb(p, "Referenced");
	long ok = vmstat("pgmigrate_success"), thp = vmstat("thp_migration_success"), nr = size_stat(k->order, "nr_anon");
	struct folio_state s = folio_state(getpid(), p), now;
	long pmds_split = vmstat("thp_split_pmd");
	EXPECT_EQ(migrate(p, k->size), 0);
	EXPECT_EQ(vmstat("thp_split_pmd"), pmds_split);
	EXPECT_EQ(huge_mapped(p), k == BY_PMD ? (long)HUGE / 1024 : 0);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	EXPECT_TRUE(in_blocks(p, k->size, k->order));
	EXPECT_EQ(vmstat("pgmigrate_success"), ok + NR(k));
	EXPECT_EQ(vmstat("thp_migration_success"), thp + (k->order == HUGE_ORDER));
	EXPECT_EQ(smaps_kb(p, "Anonymous"), rss);
	EXPECT_EQ(smaps_kb(p, "Private_Dirty"), dirty);
	EXPECT_EQ(smaps_kb(p, "Referenced"), young);
	EXPECT_EQ(size_stat(k->order, "nr_anon"), nr);
	EXPECT_TRUE(has_flag(p, KPF_LRU));
	EXPECT_TRUE(has_flag(p, KPF_ANON));
	EXPECT_EQ(faults_of_writing(p, k->size), 0);
	now = folio_state(getpid(), p);
	EXPECT_EQ(now.total, s.total);
	EXPECT_EQ(now.refs, s.refs);
	EXPECT_EQ(now.count[0], s.count[0]);
	EXPECT_EQ(now.shared, 0);
	EXPECT_EQ(migrate(p, k->size), 0);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
}

TEST_KINDS(clean_and_old)
{
	need_force();
	char *p = area_of(k);
	OK(mprotect(p, k->size, PROT_READ));
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "1"), 0);
	EXPECT_EQ(smaps_kb(p, "Referenced"), 0);
	EXPECT_EQ(migrate(p, k->size), 0);
	EXPECT_EQ(smaps_kb(p, "Referenced"), 0);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	EXPECT_EQ(smaps_kb(p, "Referenced"), (long)k->size / 1024);
}

TEST_KINDS(read_only_exclusive)
{
	need_force();
	char *p = area_of(k);
	uint64_t *before = frames_of(p, k->size), *after;
	OK(mprotect(p, k->size, PROT_READ));
	EXPECT_EQ(migrate(p, k->size), 0);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	EXPECT_EQ(touch_signal(p, true), SIGSEGV);
	after = frames_of(p, k->size);
	OK(mprotect(p, k->size, PROT_READ | PROT_WRITE));
	faults_of_writing(p, k->size);
	EXPECT_EQ(frames_changed(p, k->size, after), 0);		/* reused: the page was exclusive */
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
}

TEST_KINDS(shared_by_fork)
{
	need_force();
	char *p = area_of(k);
	uint64_t *before = frames_of(p, k->size), *after;
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		uint64_t *mine = frames_of(p, k->size);
		EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
		EXPECT_EQ(kpagecount(mine[3]), 2);
		p[3 * PAGE + 1] = '!';
		EXPECT_NE(pfn_of(p + 3 * PAGE), mine[3]);
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(p[4 * PAGE + 1], byte_of(4));
		ktap_exit();
	}
	EXPECT_EQ(migrate(p, k->size), 0);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	after = frames_of(p, k->size);
	child_go(&t);
	parent_waits(&t);
	EXPECT_EQ(p[3 * PAGE + 1], byte_of(3));
	p[4 * PAGE + 1] = '?';
	EXPECT_NE(pfn_of(p + 4 * PAGE), after[4]);
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST(a_locked_page_moves)
{
	need_force();
	char *p = area_of(BY_64K);
	OK(mlock(p, 16 * PAGE));
	uint64_t *before = frames_of(p, 16 * PAGE);
	memset(p + 5 * PAGE, 0, PAGE);
	EXPECT_EQ(migrate(p, 16 * PAGE), 0);
	EXPECT_EQ(frames_changed(p, 16 * PAGE, before), 16);
	EXPECT_EQ(p[5 * PAGE + 1], 0);
	EXPECT_TRUE(!has_flag(p + 5 * PAGE, KPF_ZERO_PAGE));
}

TEST(shared_memory_moves)
{
	need_force();
	char *p = OK(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	fill_pages(p, 8 * PAGE);
	uint64_t *before = frames_of(p, 8 * PAGE);
	pid_t pid = ktap_fork();
	if (!pid) {
		EXPECT_EQ(wrong_pages(p, 8 * PAGE, 0), 0);	/* maps it here, too */
		EXPECT_EQ(migrate(p, 8 * PAGE), 0);
		EXPECT_EQ(frames_changed(p, 8 * PAGE, before), 8);
		p[5 * PAGE + 2000] = 'x';
		ktap_exit();
	}
	EXPECT_CHILD(pid);
	EXPECT_EQ(frames_changed(p, 8 * PAGE, before), 8);
	EXPECT_EQ(p[5 * PAGE + 2000], 'x');
	EXPECT_EQ(wrong_pages(p, 8 * PAGE, 0), 0);
	EXPECT_EQ(smaps_kb(p, "Shared_Dirty") + smaps_kb(p, "Private_Dirty"), 32);
}

TEST(a_file_in_memory_moves)
{
	need_force();
	int fd = OK(memfd_create("m", 0));
	char page[PAGE];
	OK(ftruncate(fd, 4 * PAGE));
	char *p = OK(mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	fill_pages(p, 4 * PAGE);
	uint64_t *before = frames_of(p, 4 * PAGE);
	EXPECT_EQ(migrate(p, 4 * PAGE), 0);
	EXPECT_EQ(frames_changed(p, 4 * PAGE, before), 4);
	EXPECT_EQ(pread(fd, page, PAGE, 2 * PAGE), (long)PAGE);
	EXPECT_EQ(page[9], byte_of(2));
	EXPECT_EQ(pwrite(fd, "yes", 3, 2 * PAGE + 2500), 3);
	EXPECT_EQ(p[2 * PAGE + 2500], 'y');
	OK(ftruncate(fd, PAGE));
	EXPECT_EQ(touch_signal(p + 2 * PAGE, false), SIGBUS);
	EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
}

/* ---- What cannot move (T-MIG-2) ---- */

TEST_KINDS(pinned)
{
	need_force();
	int fd = gup_open();
	char *p = area_of(k), *page = malloc(PAGE);
	EXPECT_EQ(gup_pin(fd, p + 5 * PAGE, PAGE, PIN_WRITE), 0);
	uint64_t *before = frames_of(p, k->size);
	long failed = vmstat("pgmigrate_fail");
	size_t one = k->order ? k->size : PAGE;
	EXPECT_EQ(migrate(k->order ? p : p + 5 * PAGE, one), EAGAIN);
	EXPECT_STR(last_result(), "EAGAIN");
	EXPECT_EQ(vmstat("pgmigrate_fail"), failed + (long)(one / PAGE));
	EXPECT_EQ(frames_changed(p, k->size, before), 0);
	EXPECT_EQ(faults_of_writing(p, k->size), 0);
	EXPECT_EQ(frames_changed(p, k->size, before), 0);
	EXPECT_TRUE(has_flag(p + 5 * PAGE, KPF_LRU));
	p[5 * PAGE + 2222] = 'z';
	gup_read(fd, page);
	EXPECT_EQ(page[2222], 'z');
	gup_unpin(fd);
	EXPECT_EQ(migrate(p, k->size), 0);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
}

TEST_KINDS(referenced)
{
	need_force();
	char *p = area_of(k), page[PAGE];
	int fds[2];
	hold_plainly(fds, p + 5 * PAGE, PAGE);
	uint64_t *before = frames_of(p, k->size);
	EXPECT_EQ(migrate(k->order ? p : p + 5 * PAGE, k->order ? k->size : PAGE), EAGAIN);
	EXPECT_EQ(frames_changed(p, k->size, before), 0);
	EXPECT_EQ(faults_of_writing(p, k->size), 0);
	EXPECT_EQ(read(fds[0], page, PAGE), (long)PAGE);
	EXPECT_EQ(page[9], byte_of(5));
	EXPECT_EQ(migrate(p, k->size), 0);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
}

/* Somebody else holds the folio lock (T-MIG-2). */
static void *advise_a_part(void *arg)
{
	char dir[60];
	snprintf(dir, sizeof(dir), "arm madvise_split %d once", (int)syscall(SYS_gettid));
	EXPECT_EQ(control("pause", "%s", dir), 0);
	OK(madvise((char *)arg + 4 * PAGE, 4 * PAGE, MADV_COLD));
	return NULL;
}
TEST(locked_by_somebody_else)
{
	need_force();
	char *p = area_of(BY_64K);
	uint64_t *before = frames_of(p, 16 * PAGE);
	long failed = vmstat("pgmigrate_fail");
	pthread_t thread;
	EXPECT_EQ(pthread_create(&thread, NULL, advise_a_part, p), 0);
	ASSERT_TRUE(ktap_until(parked_at("madvise_split") == 1));
	EXPECT_EQ(migrate_of(getpid(), p, 16 * PAGE, "async"), EAGAIN);
	EXPECT_EQ(vmstat("pgmigrate_fail"), failed + 16);
	EXPECT_EQ(frames_changed(p, 16 * PAGE, before), 0);
	EXPECT_TRUE(has_flag(p, KPF_LRU));
	EXPECT_EQ(control("pause", "disarm madvise_split"), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(migrate(p, 16 * PAGE), 0);
	EXPECT_EQ(frames_changed(p, 16 * PAGE, before), 16);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
}

/* The disk has it still: who may not wait for that fails at once, and who may has moved it when the disk is done. */
TEST_KINDS(under_writeback)
{
	need_force();
	const char *disk = swap_on_async();
	if (swap_is_sync(disk))
		SKIP("needs an asynchronous disk");
	char *p = area_of(k);
	EXPECT_EQ(control("force", "drain %d 0 0", (int)getpid()), 0);
	EXPECT_EQ(control("pause", "arm disk_write_done"), 0);
	OK(madvise(p, k->size, MADV_PAGEOUT));
	EXPECT_EQ(pages_swapped(p, k->size), k->size / PAGE);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);		/* back from the swap cache */
	EXPECT_TRUE(has_flag(p, KPF_WRITEBACK));
	uint64_t *before = frames_of(p, k->size);
	long failed = vmstat("pgmigrate_fail");
	int error = migrate_of(getpid(), p, k->size, "async");
	EXPECT_TRUE(error == EBUSY || error == EAGAIN);
	EXPECT_EQ(vmstat("pgmigrate_fail"), failed + NR(k));
	EXPECT_EQ(frames_changed(p, k->size, before), 0);
	EXPECT_TRUE(has_flag(p, KPF_LRU));
	pid_t owner = getpid(), mover = ktap_fork();
	if (!mover) {
		EXPECT_EQ(migrate_of(owner, p, k->size, "sync"), 0);
		ktap_exit();
	}
	char dir[40];
	snprintf(dir, sizeof(dir), "/proc/%d", (int)mover);
	EXPECT_TRUE(waits(dir));
	EXPECT_EQ(control("pause", "disarm disk_write_done"), 0);
	EXPECT_EQ(control("pause", "release disk_write_done"), 0);
	EXPECT_CHILD(mover);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	swap_off(disk);
}

TEST(what_is_not_there_is_no_error)
{
	need_force();
	char *p = anon(8 * PAGE);
	EXPECT_EQ(migrate(p, 8 * PAGE), 0);
	EXPECT_EQ(p[0] + p[PAGE], 0);			/* the zero page does not move */
	uint64_t zero = pfn_of(p);
	EXPECT_EQ(migrate(p, 8 * PAGE), 0);
	EXPECT_EQ(pfn_of(p), zero);
	EXPECT_EQ(migrate_of(getpid(), p, PAGE, "sideways"), EINVAL);
	EXPECT_EQ(migrate_of(4194303, p, PAGE, "sync"), ESRCH);
	EXPECT_EQ(control("force", "drain 0 0 0"), 0);
}

/* ---- No room, and parts (T-MIG-7) ---- */

TEST(without_a_target_the_pieces_move)
{
	need_force();
	char *p = large_area(HUGE, HUGE_ORDER);
	uint64_t *before = frames_of(p, HUGE);
	long split = vmstat("thp_migration_split"), fail = vmstat("thp_migration_fail"), ok = vmstat("pgmigrate_success");
	EXPECT_EQ(control("fail", "migrate_target order=9 pid=%d", (int)getpid()), 0);
	EXPECT_EQ(migrate(p, HUGE), 0);
	EXPECT_EQ(control("fail", "off migrate_target"), 0);
	EXPECT_EQ(vmstat("thp_migration_split"), split + 1);
	EXPECT_EQ(vmstat("thp_migration_fail"), fail + 1);
	EXPECT_EQ(vmstat("pgmigrate_success"), ok + 512);
	EXPECT_EQ(frames_changed(p, HUGE, before), 512);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
	EXPECT_EQ(faults_of_writing(p, HUGE), 0);
}

TEST(without_any_target_nothing_changes)
{
	need_force();
	char *p = area_of(SMALL);
	uint64_t *before = frames_of(p, 16 * PAGE);
	long fail = vmstat("pgmigrate_fail");
	EXPECT_EQ(control("fail", "migrate_target pid=%d", (int)getpid()), 0);
	EXPECT_EQ(migrate(p, 16 * PAGE), ENOMEM);
	EXPECT_EQ(control("fail", "off migrate_target"), 0);
	EXPECT_EQ(vmstat("pgmigrate_fail"), fail + 16);
	EXPECT_EQ(frames_changed(p, 16 * PAGE, before), 0);
	EXPECT_EQ(faults_of_writing(p, 16 * PAGE), 0);
	EXPECT_EQ(migrate(p, 16 * PAGE), 0);
}

TEST(partially_mapped_is_split_first)
{
	need_force();
	char *p = area_of(BY_64K);
	long partial = size_stat(4, "nr_anon_partially_mapped"), split = size_stat(4, "split");
	OK(madvise(p + 4 * PAGE, 4 * PAGE, MADV_DONTNEED));
	uint64_t *before = frames_of(p, 16 * PAGE);
	EXPECT_EQ(size_stat(4, "nr_anon_partially_mapped"), partial + 1);
	EXPECT_EQ(migrate(p, 16 * PAGE), 0);
	EXPECT_EQ(size_stat(4, "split"), split + 1);
	EXPECT_EQ(size_stat(4, "nr_anon_partially_mapped"), partial);
	EXPECT_EQ(frames_changed(p, 16 * PAGE, before), 12);
	EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0) + wrong_pages(p + 8 * PAGE, 8 * PAGE, 8), 0);
	EXPECT_EQ(faults_of_writing(p + 8 * PAGE, 8 * PAGE), 0);
}

TEST(a_queued_folio_stays_queued)
{
	need_force();
	char *p = large_area(HUGE, HUGE_ORDER);
	EXPECT_EQ(folio_number(getpid(), p, "queued"), 1);
	long deferred = vmstat("thp_deferred_split_page");
	EXPECT_EQ(migrate(p, HUGE), 0);
	EXPECT_EQ(folio_number(getpid(), p, "queued"), 1);
	EXPECT_EQ(folio_number(getpid(), p, "partially_mapped"), 0);
	EXPECT_EQ(vmstat("thp_deferred_split_page"), deferred);
}

/* Half of a folio is in another table: unmapping it in two steps must not look like a partial mapping. */
TEST(a_folio_in_two_tables_is_not_taken_for_a_part)
{
	need_force();
	char *p = area_of(BY_64K), *q = reserve(2 * HUGE);
	long deferred = size_stat(4, "split_deferred");
	char *to = q + HUGE - 8 * PAGE;
	OK(mremap(p, 16 * PAGE, 16 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(wrong_pages(to, 16 * PAGE, 0), 0);
	uint64_t *before = frames_of(to, 16 * PAGE);
	EXPECT_EQ(migrate(to, 16 * PAGE), 0);
	EXPECT_EQ(frames_changed(to, 16 * PAGE, before), 16);
	EXPECT_EQ(size_stat(4, "split_deferred"), deferred);
	EXPECT_EQ(folio_number(getpid(), to, "partially_mapped"), 0);
	EXPECT_EQ(folio_number(getpid(), to, "total"), 16);
	EXPECT_EQ(wrong_pages(to, 16 * PAGE, 0), 0);
}

/* ---- Owners (MMID-14, T-MMID-6) ---- */

TEST(owners_are_found_again_in_the_order_of_the_walk)
{
	need_force();
	char *p = area_of(BY_64K);
	struct turns t[2];
	pid_t child[2];
	for (int i = 0; i < 2; i++) {
		turns_init(&t[i]);
		child[i] = ktap_fork();
		if (!child[i]) {
			child_done(&t[i]);
			child_waits(&t[i]);
			ktap_exit();
		}
		parent_waits(&t[i]);
	}
	EXPECT_STATE(p, 48, 48, 16, 16, 1);
	EXPECT_EQ(migrate(p, 16 * PAGE), 0);
	EXPECT_STATE(p, 48, 48, 16, 16, 1);
	for (int i = 0; i < 2; i++) {
		child_go(&t[i]);
		EXPECT_CHILD(child[i]);
	}
	/* The parent is walked first, so it has a slot and is alone again. */
	EXPECT_STATE(p, 16, 16, 16, 0, 0);
	uint64_t *after = frames_of(p, 16 * PAGE);
	faults_of_writing(p, 16 * PAGE);
	EXPECT_EQ(frames_changed(p, 16 * PAGE, after), 0);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
}

/* ---- While the entries stand (T-MIG-3) ---- */

/* A migration of [P, P + N) by another process that is parked behind step 8. */
struct parked_move { pid_t pid; };
static struct parked_move park(char *p, size_t n)
{
	pid_t self = getpid();
	need_force();
	/* The mover must not share what it moves. */
	OK(madvise(p, n, MADV_DONTFORK));
	struct parked_move m = { ktap_fork() };
	if (!m.pid) {
		EXPECT_EQ(control("pause", "arm migrate_unmapped %d once", (int)getpid()), 0);
		EXPECT_EQ(migrate_of(self, p, n, "sync"), 0);
		ktap_exit();
	}
	OK(madvise(p, n, MADV_DOFORK));
	ASSERT_TRUE(ktap_until(parked_at("migrate_unmapped") == 1));
	return m;
}
static void unpark(struct parked_move m)
{
	EXPECT_EQ(control("pause", "disarm migrate_unmapped"), 0);
	EXPECT_CHILD(m.pid);
}

/* Threads that are there before anybody waits: a fault that waits keeps the mmap lock, and new threads need it. */
struct touch { char *p; bool write; pid_t tid; int go, done; char seen; };
static void *touch(void *arg)
{
	struct touch *t = arg;
	__atomic_store_n(&t->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&t->go, __ATOMIC_ACQUIRE))
		ktap_sleep_ms(1);
	if (t->write)
		*(volatile char *)t->p = 'W';
	t->seen = *(volatile char *)t->p;
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	return NULL;
}
static void let_touch(struct touch *t)
{
	char dir[60];
	snprintf(dir, sizeof(dir), "/proc/self/task/%d", (int)t->tid);
	__atomic_store_n(&t->go, 1, __ATOMIC_RELEASE);
	EXPECT_TRUE(waits(dir));
}

TEST_MOVED(readers_and_writers_wait)
{
	char *p = area_of(k);
	uint64_t *before = frames_of(p, k->size);
	long rss = smaps_kb(p, "Anonymous");
	struct touch t[4] = { { .p = p + 9 }, { .p = p + 2 * PAGE + 9, .write = true }, { .p = p + 9 }, { .p = p + 15 * PAGE + 9 } };
	pthread_t thread[4];
	long tries = vmstat("pgmigrate_success");
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(pthread_create(&thread[i], NULL, touch, &t[i]), 0);
		ASSERT_TRUE(ktap_until(__atomic_load_n(&t[i].tid, __ATOMIC_ACQUIRE)));
	}
	struct parked_move m = park(p, k->size);
	EXPECT_EQ(smaps_kb(p, "Anonymous"), rss);
	for (int i = 0; i < 4; i++)
		let_touch(&t[i]);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(t[i].done, 0);
	unpark(m);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	/* T-MIG-4: those who wait hold no reference. */
	EXPECT_EQ(vmstat("pgmigrate_success"), tries + NR(k));
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	EXPECT_EQ(t[0].seen, byte_of(0));
	EXPECT_EQ(t[1].seen, 'W');
	EXPECT_EQ(t[3].seen, byte_of(15));
	p[2 * PAGE + 9] = byte_of(2);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
}

TEST_MOVED(fork_meanwhile)
{
	char *p = area_of(k);
	uint64_t *before = frames_of(p, k->size);
	struct parked_move m = park(p, k->size);
	struct turns t;
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
		EXPECT_EQ(kpagecount(pfn_of(p + 3 * PAGE)), 2);
		p[3 * PAGE + 1] = 'c';
		child_done(&t);
		child_waits(&t);
		EXPECT_EQ(p[4 * PAGE + 1], byte_of(4));
		ktap_exit();
	}
	unpark(m);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	child_go(&t);
	parent_waits(&t);
	EXPECT_EQ(p[3 * PAGE + 1], byte_of(3));
	p[4 * PAGE + 1] = 'p';
	child_go(&t);
	EXPECT_CHILD(pid);
}

TEST_MOVED(munmap_meanwhile)
{
	char *p = area_of(k);
	long rss = status_kb("RssAnon"), deferred = size_stat(k->order, "split_deferred");
	struct parked_move m = park(p, k->size);
	OK(munmap(p + 4 * PAGE, 4 * PAGE));
	EXPECT_EQ(status_kb("RssAnon"), rss - 16);
	EXPECT_EQ(size_stat(k->order, "split_deferred"), deferred);
	unpark(m);
	EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0) + wrong_pages(p + 8 * PAGE, k->size - 8 * PAGE, 8), 0);
	/* Now it is known that the folio is mapped in part. */
	EXPECT_EQ(size_stat(k->order, "split_deferred"), deferred + 1);
	EXPECT_EQ(folio_number(getpid(), p, "partially_mapped"), 1);
	EXPECT_EQ(faults_of_writing(p, 4 * PAGE), 0);
}

TEST_MOVED(everything_unmapped_meanwhile)
{
	char *p = area_of(k);
	long nr = size_stat(k->order, "nr_anon");
	struct parked_move m = park(p, k->size);
	OK(munmap(p, k->size));
	unpark(m);
	EXPECT_EQ(size_stat(k->order, "nr_anon"), nr - 1);
}

TEST_MOVED(dontneed_and_touch_meanwhile)
{
	char *p = area_of(k);
	struct parked_move m = park(p, k->size);
	OK(madvise(p + 4 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_EQ(p[4 * PAGE + 5], 0);
	p[4 * PAGE + 5] = 'n';
	unpark(m);
	EXPECT_EQ(p[4 * PAGE + 5], 'n');
	EXPECT_EQ(wrong_pages(p, 4 * PAGE, 0) + wrong_pages(p + 5 * PAGE, k->size - 5 * PAGE, 5), 0);
}

TEST_MOVED(mprotect_meanwhile)
{
	char *p = area_of(k);
	uint64_t *after;
	struct parked_move m = park(p, k->size);
	OK(mprotect(p, 8 * PAGE, PROT_READ));
	OK(mprotect(p + 8 * PAGE, PAGE, PROT_NONE));
	unpark(m);
	EXPECT_EQ(touch_signal(p + PAGE, true), SIGSEGV);
	EXPECT_EQ(touch_signal(p + 8 * PAGE, false), SIGSEGV);
	OK(mprotect(p, 9 * PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	after = frames_of(p, k->size);
	faults_of_writing(p, k->size);
	EXPECT_EQ(frames_changed(p, k->size, after), 0);		/* still exclusive */
}

TEST_MOVED(advice_passes_over)
{
	char *p = area_of(k);
	uint64_t *before = frames_of(p, k->size);
	struct parked_move m = park(p, k->size);
	long rss = smaps_kb(p, "Rss");
	OK(madvise(p, k->size, MADV_COLD));
	OK(madvise(p, k->size, MADV_PAGEOUT));
	OK(madvise(p + 4 * PAGE, 4 * PAGE, MADV_PAGEOUT));
	OK(madvise(p, k->size, MADV_FREE));
	EXPECT_EQ(smaps_kb(p, "Rss"), rss);
	unpark(m);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
}

/* What tells of pages without touching them sees that they are there. */
TEST_MOVED(onlookers_see_the_pages)
{
	char *p = area_of(k);
	unsigned char *vec = malloc(k->size / PAGE);
	long rss = smaps_kb(p, "Rss"), thp = huge_mapped(p), in_core = 0;
	struct parked_move m = park(p, k->size);
	EXPECT_EQ(smaps_kb(p, "Rss"), rss);
	EXPECT_EQ(smaps_kb(p, "Private_Clean") + smaps_kb(p, "Private_Dirty"), 0);	/* no mapcount says whose */
	EXPECT_EQ(huge_mapped(p), thp);
	OK(mincore(p, k->size, vec));
	for (size_t i = 0; i < k->size / PAGE; i++)
		in_core += vec[i] & 1;
	EXPECT_EQ(in_core, NR(k));
	EXPECT_EQ(pagemap(p + 5 * PAGE) & (PM_PRESENT | PM_SWAPPED), PM_SWAPPED);
	EXPECT_EQ((pagemap(p + 5 * PAGE) >> 5) & ((1ul << 42) - 1), ((pagemap(p) >> 5) & ((1ul << 42) - 1)) + 5);
	EXPECT_EQ(ktap_write("/proc/self/clear_refs", "1"), 0);
	unpark(m);
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
}

/* To a place that can take the whole entry. */
TEST_MOVED(mremap_of_all_meanwhile)
{
	char *p = area_of(k), *q = reserve(2 * HUGE);
	uint64_t *before = frames_of(p, k->size);
	struct parked_move m = park(p, k->size);
	OK(mremap(p, k->size, k->size, MREMAP_MAYMOVE | MREMAP_FIXED, q));
	unpark(m);
	EXPECT_EQ(frames_changed(q, k->size, before), NR(k));
	EXPECT_EQ(wrong_pages(q, k->size, 0), 0);
	EXPECT_EQ(faults_of_writing(q, k->size), 0);
}

TEST_MOVED(mprotect_of_all_meanwhile)
{
	char *p = area_of(k);
	uint64_t *after;
	struct parked_move m = park(p, k->size);
	OK(mprotect(p, k->size, PROT_READ));
	unpark(m);
	EXPECT_EQ(huge_mapped(p), k == BY_PMD ? (long)HUGE / 1024 : 0);
	EXPECT_EQ(touch_signal(p + PAGE, true), SIGSEGV);
	OK(mprotect(p, k->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
	after = frames_of(p, k->size);
	faults_of_writing(p, k->size);
	EXPECT_EQ(frames_changed(p, k->size, after), 0);
}

TEST_MOVED(mremap_meanwhile)
{
	char *p = area_of(k), *q = reserve(2 * HUGE);
	uint64_t *before = frames_of(p, k->size);
	struct parked_move m = park(p, k->size);
	OK(mremap(p, k->size, k->size, MREMAP_MAYMOVE | MREMAP_FIXED, q + 3 * PAGE));
	unpark(m);
	EXPECT_EQ(frames_changed(q + 3 * PAGE, k->size, before), NR(k));
	EXPECT_EQ(wrong_pages(q + 3 * PAGE, k->size, 0), 0);
	EXPECT_EQ(faults_of_writing(q + 3 * PAGE, k->size), 0);
}

TEST_MOVED(exit_meanwhile)
{
	char *p;
	struct turns t;
	turns_init(&t);
	need_force();
	pid_t pid = ktap_fork();
	if (!pid) {
		p = area_of(k);
		if (write(t.to_parent[1], &p, sizeof(p)) != sizeof(p))
			ktap_exit();
		child_waits(&t);
		ktap_exit();
	}
	if (read(t.to_parent[0], &p, sizeof(p)) != sizeof(p))
		SKIP("no large folios");
	pid_t mover = ktap_fork();
	if (!mover) {
		EXPECT_EQ(control("pause", "arm migrate_unmapped %d once", (int)getpid()), 0);
		EXPECT_EQ(migrate_of(pid, p, k->size, "sync"), 0);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("migrate_unmapped") == 1));
	child_go(&t);
	/* `force` holds the mm: the tables go when the mover is done. The process itself need not wait. */
	EXPECT_CHILD(pid);
	EXPECT_EQ(control("pause", "disarm migrate_unmapped"), 0);
	EXPECT_CHILD(mover);
}

TEST_MOVED(a_pin_waits)
{
	char *p = area_of(k), *buffer = malloc(PAGE);
	int fd = gup_open();
	uint64_t *before = frames_of(p, k->size);
	struct parked_move m = park(p, k->size);
	pid_t pid = ktap_fork();
	if (!pid) {
		/* What the child pins is its own copy; that it comes to an end is the point here. */
		EXPECT_EQ(gup_pin(fd, p + 5 * PAGE, PAGE, PIN_WRITE | PIN_FAST), 0);
		gup_read(fd, buffer);
		EXPECT_EQ(buffer[9], byte_of(5));
		gup_unpin(fd);
		ktap_exit();
	}
	char dir[40];
	snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	EXPECT_TRUE(waits(dir));
	unpark(m);
	EXPECT_CHILD(pid);
	EXPECT_EQ(frames_changed(p, k->size, before), NR(k));
	EXPECT_EQ(wrong_pages(p, k->size, 0), 0);
}

/* ---- In the swap cache (T-MIG-1, T-MIG-5) ---- */

#define KPF_SWAPCACHE 13

/* A page at P that others share, out of all tables and in the swap cache. */
static void into_the_swap_cache(char *p)
{
	EXPECT_EQ(control("force", "swapcache %d 0x%lx 0x%lx keep", (int)getpid(), (unsigned long)p, (unsigned long)p + PAGE), 0);
	EXPECT_EQ(control("force", "swapcache %d 0x%lx 0x%lx release", (int)getpid(), (unsigned long)p, (unsigned long)p + PAGE), 0);
	EXPECT_TRUE(is_swapped(p));
}

TEST(what_is_in_the_swap_cache_stays_in_it)
{
	need_force();
	const char *disk = swap_on(0);
	char *p = area_of(SMALL);
	struct turns t;
	turns_init(&t);
	pid_t child = ktap_fork();			/* whose entry keeps it there */
	if (!child) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
		ktap_exit();
	}
	into_the_swap_cache(p);
	EXPECT_EQ(p[PAGE - 8], 0);			/* mapped again, and cached still */
	EXPECT_TRUE(has_flag(p, KPF_SWAPCACHE));
	uint64_t before = pfn_of(p);
	long swaps = status_kb("VmSwap"), rss = status_kb("RssAnon");
	EXPECT_EQ(migrate(p, PAGE), 0);
	EXPECT_NE(pfn_of(p), before);
	EXPECT_TRUE(has_flag(p, KPF_SWAPCACHE));
	EXPECT_EQ(status_kb("VmSwap"), swaps);
	EXPECT_EQ(status_kb("RssAnon"), rss);
	EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
	child_go(&t);
	EXPECT_CHILD(child);
	EXPECT_EQ(page_out(p, PAGE), 1);
	EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
	swap_off(disk);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
}

/* Who finds the folio in the cache while it is copied has a reference: this try is in vain, and he gets the right page. */
TEST(a_lookup_in_the_swap_cache_meanwhile)
{
	need_force();
	const char *disk = swap_on(0);
	char *p = area_of(SMALL);
	struct turns t;
	turns_init(&t);
	pid_t child = ktap_fork();
	if (!child) {
		child_waits(&t);
		EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
		ktap_exit();
	}
	into_the_swap_cache(p);
	EXPECT_EQ(p[PAGE - 8], 0);
	pid_t owner = getpid(), mover = ktap_fork();
	if (!mover) {
		EXPECT_EQ(control("pause", "arm migrate_copy %d once", (int)getpid()), 0);
		int error = migrate_of(owner, p, PAGE, "sync");
		EXPECT_TRUE(!error || error == EAGAIN);		/* does the child come before the last try? */
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("migrate_copy") == 1));
	char dir[40];
	snprintf(dir, sizeof(dir), "/proc/%d", (int)child);
	child_go(&t);
	EXPECT_TRUE(waits(dir));
	EXPECT_EQ(control("pause", "disarm migrate_copy"), 0);
	EXPECT_CHILD(mover);
	EXPECT_CHILD(child);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
	EXPECT_EQ(migrate(p, PAGE), 0);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
	swap_off(disk);
	EXPECT_EQ(wrong_pages(p, 16 * PAGE, 0), 0);
}

/* ---- No store is lost (T-MIG-6) ---- */

/* One thread: with more of them than CPUs the mover would wait for its turn most of the time. */
struct counter { volatile unsigned long *at[2]; int stop; unsigned long count; };
static void *count(void *arg)
{
	struct counter *c = arg;
	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		(*c->at[0])++;
		(*c->at[1])++;
		c->count++;
	}
	return NULL;
}
static void no_store_lost(const struct kind *k, int rounds, const char *mode)
{
	need_force();
	char *p = area_of(k);
	struct counter c = { .at = { (void *)(p + 100 * 8), (void *)(p + k->size - PAGE + 200 * 8) } };
	pthread_t t;
	int done = 0;
	*c.at[0] = *c.at[1] = 0;
	EXPECT_EQ(pthread_create(&t, NULL, count, &c), 0);
	for (int i = 0; i < rounds; i++)
		done += !migrate_of(getpid(), p, k->size, mode);
	EXPECT_GT(done, 0);
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	EXPECT_EQ(*c.at[0], c.count);
	EXPECT_EQ(*c.at[1], c.count);
}
TEST(no_store_is_lost_4k) { no_store_lost(SMALL, ktap_scale(100), "sync"); }
TEST(no_store_is_lost_64k) { no_store_lost(BY_64K, ktap_scale(200), "async"); }
TEST(no_store_is_lost_2m) { no_store_lost(BY_PTES, ktap_scale(40), "sync-light"); }
TEST(no_store_is_lost_2m_pmd) { no_store_lost(BY_PMD, ktap_scale(40), "async"); }
/* Each round moves 16 folios. */
TEST_SLOW(no_store_is_lost_in_10000_moves) { no_store_lost(SMALL, ktap_scale(625), "async"); }

/* Several processes move the same folios, which others share, write and drop. */
TEST(movers_against_each_other)
{
	need_force();
	char *p = area_of(BY_PTES);
	pid_t owner = getpid(), pid[3];
	for (int i = 0; i < 3; i++) {
		pid[i] = ktap_fork();
		if (!pid[i]) {
			for (int round = 0; round < ktap_scale(30); round++) {
				if (i == 0)
					migrate_of(owner, p, HUGE, "sync");
				else if (i == 1)
					migrate_of(getpid(), p + round * PAGE, 64 * PAGE, "async");
				else
					control("../split_huge_pages", "%d,0x%lx,0x%lx,4", (int)owner, (unsigned long)p,
						(unsigned long)(p + HUGE));
				EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
			}
			ktap_exit();
		}
	}
	for (int round = 0; round < ktap_scale(30); round++) {
		faults_of_writing(p + round * PAGE, 128 * PAGE);
		for (int i = 0; i < 128; i++)
			p[(round + i) * PAGE + 1] = byte_of(round + i);
	}
	for (int i = 0; i < 3; i++)
		EXPECT_CHILD(pid[i]);
	EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
}
