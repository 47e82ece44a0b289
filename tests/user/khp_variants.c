/*
 * tests/user/khp_variants.c - what khugepaged did at one time or nearly did, beside what it does (SCOPE-6): each case shows the
 * right rule first, and then the historical one failing at the same.
 *
 *	vma_pointer_compare	the patch of 2016: after a wait the VMA is the old one if it has its address (T-KHP-7)
 *	write_lock_swapin	before that patch: the mmap lock is held for writing while a disk is read (T-KHP-9)
 *	first_page_guess	6.10 to 6.14: shared or not is guessed from the first page (T-SHR-2)
 */
#include "tests/user/khugepaged.h"
#include "tests/user/swaparea.h"
#include <pthread.h>

static void need_variants(void)
{
	if (!have_control("variant"))
		SKIP("needs Quire's controls");
	khugepaged_rests();
	one_pass();
	policy("madvise");
	ASSERT_TRUE(khugepaged_asleep());
}
static void variant(const char *word) { EXPECT_EQ(control("variant", "%s", word), 0); }

/* 2 MiB in small pages, of which page OUT is on a disk that has to be waited for. */
static char *range_partly_out(const char **disk, size_t out)
{
	char *p;
	if (access("/dev/vda", W_OK))
		SKIP("needs a disk that answers later");
	setenv("SWAP_DISK", "/dev/vda", 1);
	*disk = swap_on(0);
	p = small_range(HUGE);
	p[out * PAGE] = byte_of(out);
	EXPECT_EQ(page_out(p + out * PAGE, PAGE), 1);
	EXPECT_EQ(control("force", "swapcache 0 0x%lx 0x%lx drop", (long)p + out * PAGE, (long)p + (out + 1) * PAGE), 0);
	return p;
}

/* ---- T-KHP-7 ---- */

/* khugepaged's look at a range, by a thread that is parked on the way; what it says is read when it has ended. */
static void *scan_thread(void *p)
{
	control("force", "collapse 0 0x%lx 0x%lx", (unsigned long)p, (unsigned long)p + HUGE);
	return NULL;
}
static const char *last_word(void)
{
	static char word[60];
	char *text = ktap_read(QUIRE_DIR "force"), *line = text ? strstr(text, "last: collapse") : NULL;
	return line && sscanf(line, "%*[^\n]\n%*s %59s", word) == 1 ? word : "?";
}

/* Some thread of this process but this one waits. */
static bool has_sleeping_thread(void)
{
	char dir[300];
	bool found = false;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *d; !found && tasks && (d = readdir(tasks));) {
		snprintf(dir, sizeof(dir), "/proc/self/task/%s", d->d_name);
		found = atoi(d->d_name) > 0 && atoi(d->d_name) != getpid() && strchr("SD", ktap_state_of(dir));
	}
	closedir(tasks);
	return found;
}

/*
 * While the collapse waits for a page without any lock, the mapping is taken away, and a smaller one put in its place. The
 * allocator of VMAs gives the object that was freed last: the new VMA often has the address of the old one. The word with
 * which the collapse ends.
 */
static const char *swap_the_vma(void)
{
	const char *disk;
	char *p = range_partly_out(&disk, 100);
	pthread_t t;
	EXPECT_EQ(control("pause", "arm disk_read once"), 0);
	EXPECT_EQ(control("pause", "arm collapse_swapin"), 0);
	OK(-pthread_create(&t, NULL, scan_thread, p));
	/* It waits for the page, without the lock; then the page is there, but it has not looked again. */
	ASSERT_TRUE(ktap_until(parked_at("disk_read") == 1));
	ktap_until(has_sleeping_thread());
	EXPECT_EQ(control("pause", "release disk_read"), 0);
	ASSERT_TRUE(ktap_until(parked_at("collapse_swapin") == 1));
	stay_here();
	OK(munmap(p, HUGE));
	OK(mmap(p, HUGE / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset(p, 7, HUGE / 2);
	EXPECT_EQ(control("pause", "disarm collapse_swapin"), 0);
	pthread_join(t, NULL);
	for (size_t i = 0; i < HUGE / 2; i++)
		if (p[i] != 7) {
			KTAP_FAIL("# byte %zu is %d", i, p[i]);
			break;
		}
	munmap(p, HUGE / 2);
	swap_off(disk);
	return last_word();
}
/* At the swap-in: the right code gives up there whatever happened (KHP-18), the variant takes any VMA at that address. */
TEST(a_vma_at_the_same_address_is_another_one)
{
	need_variants();
	EXPECT_STR(swap_the_vma(), "page_locked");
	variant("vma_pointer_compare");
	int wrong = 0;
	for (int i = 0; i < 20 && !wrong; i++)
		wrong = !strcmp(swap_the_vma(), "scan_aborted");
	EXPECT_TRUE(wrong);
	variant("none");
}

/* Between the read and the write lock nobody looked at all. */
static void shrink_between_the_locks(const char *expected)
{
	char *p = small_range(HUGE);
	pthread_t t;
	EXPECT_EQ(control("pause", "arm collapse_upgrade"), 0);
	OK(-pthread_create(&t, NULL, scan_thread, p));
	ASSERT_TRUE(ktap_until(parked_at("collapse_upgrade") == 1));
	OK(munmap(p + HUGE / 2, HUGE / 2));
	EXPECT_EQ(control("pause", "disarm collapse_upgrade"), 0);
	pthread_join(t, NULL);
	EXPECT_STR(last_word(), expected);
	EXPECT_EQ(wrong_pages(p, HUGE / 2, 0), 0);
	munmap(p, HUGE / 2);
}
TEST(after_each_wait_all_is_looked_up_again)
{
	need_variants();
	shrink_between_the_locks("not_suitable_address_range");
	variant("vma_pointer_compare");
	shrink_between_the_locks("scan_aborted");
	variant("none");
}

/* ---- T-KHP-9 ---- */

static void *collapse_thread(void *p)
{
	return (void *)(long)collapse(p, HUGE);
}

/*
 * In a process of its own one thread collapses, for which a page has to be read, and the disk does not answer. Another one
 * touches memory elsewhere, and then says so. True: it could, with the read still on its way.
 */
static bool faults_go_on_during_swapin(void)
{
	const char *disk;
	char *p = range_partly_out(&disk, 100), *elsewhere = reserve(PAGE), c = 0;
	int done[2];
	OK(pipe2(done, O_NONBLOCK));
	EXPECT_EQ(control("pause", "arm disk_read"), 0);
	pid_t pid = ktap_fork();
	if (!pid) {
		pthread_t t;
		OK(pthread_create(&t, NULL, collapse_thread, p));
		ktap_until(parked_at("disk_read") > 0);
		*elsewhere = 1;
		OK(write(done[1], &c, 1));
		pthread_join(t, NULL);
		EXPECT_EQ(wrong_pages(p, HUGE, 0), 0);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("disk_read") > 0));
	bool went_on = false;
	ktap_until((went_on = read(done[0], &c, 1) == 1) || ktap_state(pid) == 'D');
	EXPECT_GT(parked_at("disk_read"), 0);
	EXPECT_EQ(control("pause", "disarm disk_read"), 0);
	EXPECT_CHILD(pid);
	munmap(p, HUGE);
	close(done[0]);
	close(done[1]);
	swap_off(disk);
	return went_on;
}
TEST(a_process_goes_on_while_its_pages_are_read)
{
	need_variants();
	EXPECT_TRUE(faults_go_on_during_swapin());
	variant("write_lock_swapin");
	EXPECT_TRUE(!faults_go_on_during_swapin());
	variant("none");
}

/* ---- T-SHR-2, T-SHR-3 ---- */

/*
 * Of a folio of 2 MiB two processes map the same NR pages from page FROM on, and nobody the others: with 256 it has 512
 * mappings, not more than pages. A page of this process's own makes the range worth a look. The verdict with
 * max_ptes_shared 0.
 */
static const char *shared_from(long from, long nr)
{
	static char word[60];
	char *p = large_area(HUGE, HUGE_ORDER);
	struct turns t;
	split_pmds(p, HUGE);
	OK(madvise(p, from * PAGE, MADV_DONTNEED));
	OK(madvise(p + (from + nr) * PAGE, HUGE - (from + nr) * PAGE, MADV_DONTNEED));
	turns_init(&t);
	pid_t pid = ktap_fork();
	if (!pid) {
		child_waits(&t);
		ktap_exit();
	}
	p[511 * PAGE] = byte_of(511);
	OK(madvise(p, HUGE, MADV_HUGEPAGE));
	EXPECT_EQ(wrong_pages(p + from * PAGE, nr * PAGE, from), 0);
	EXPECT_STATE(p + from * PAGE, 2 * nr, 2 * nr, nr, nr, 1);
	knob("max_ptes_shared", "0");
	snprintf(word, sizeof(word), "%s", scan(p));
	knob("max_ptes_shared", "256");
	child_go(&t);
	EXPECT_CHILD(pid);
	EXPECT_EQ(wrong_pages(p + from * PAGE, nr * PAGE, from), 0);
	munmap(p, HUGE);
	return word;
}
TEST(the_first_page_does_not_speak_for_all)
{
	need_variants();
	EXPECT_STR(shared_from(1, 256), "exceed_shared_pte");
	variant("first_page_guess");
	EXPECT_STR(shared_from(1, 256), "succeeded");
	/* It is right where there are more mappings than pages, and where the first page is shared and has a mapcount (FOL-10). */
	EXPECT_STR(shared_from(1, 257), "exceed_shared_pte");
	bool counts = folio_value(folio_text(0, large_area(HUGE, HUGE_ORDER)), "page_mapcounts");
	EXPECT_STR(shared_from(0, 256), counts ? "exceed_shared_pte" : "succeeded");
	variant("none");
}

TEST(defaults_are_back)
{
	if (access(KHUGEPAGED "scan_sleep_millisecs", W_OK))
		SKIP("no khugepaged");
	khugepaged_defaults();
}
