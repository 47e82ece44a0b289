/*
 * tests/user/control.c - the controls with which other tests make races and failures happen: pause, fail, variant, force,
 * folio.
 *
 * The pause points used are "wp_copy_alloc" (asleep, while a shared page is copied) and "gup_fast_b1" (spinning, in a
 * lockless pin). They are armed for one child each: this program copies shared pages all the time itself.
 */
#include "tests/user/large.h"
#include <pthread.h>

static void need(const char *name)
{
	if (!have_control(name))
		SKIP("this kernel has no such control");
}

/* ---- pause ---- */

/* A page of this process is shared with a child that sleeps: the next write copies it, past "wp_copy_alloc". */
static char *shared_page(void)
{
	char *p = anon(PAGE);
	*p = 1;
	pid_t pid = OK(fork());
	if (!pid)
		for (;;)
			pause();
	return p;
}

/* A child that parks at wp_copy_alloc, armed with WORDS after its number, and then ends with status 0. */
static pid_t parked_child(const char *words)
{
	int before = parked_at("wp_copy_alloc");
	pid_t pid = ktap_fork();
	if (!pid) {
		char *p = shared_page();
		/* Twice: the first call makes this process's own copy of whatever such a call writes to. */
		EXPECT_EQ(control("pause", "release wp_copy_alloc"), 0);
		ASSERT_EQ(control("pause", "arm wp_copy_alloc %d %s", (int)getpid(), words), 0);
		*p = 2;
		EXPECT_EQ(*p, 2);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("wp_copy_alloc") == before + 1));
	return pid;
}

TEST(pause_parks_a_thread_until_it_is_released)
{
	need("pause");
	pid_t pid = parked_child("");
	EXPECT_TRUE(ktap_until(ktap_state(pid) == 'D'));
	char path[40];
	snprintf(path, sizeof(path), "/proc/%d/wchan", (int)pid);
	EXPECT_STR(ktap_read(path), "wp_copy_alloc");
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	EXPECT_EQ(control("pause", "release wp_copy_alloc"), 0);
	EXPECT_CHILD(pid);
	EXPECT_EQ(parked_at("wp_copy_alloc"), 0);
	EXPECT_EQ(control("pause", "disarm wp_copy_alloc"), 0);
}

TEST(pause_is_for_one_process_only)
{
	need("pause");
	pid_t pid = parked_child("");
	/* This process passes the same point, and so does another child. */
	char *p = shared_page();
	*p = 3;
	pid_t other = ktap_fork();
	if (!other) {
		*p = 4;
		ktap_exit();
	}
	EXPECT_CHILD(other);
	EXPECT_EQ(parked_at("wp_copy_alloc"), 1);
	EXPECT_EQ(control("pause", "disarm"), 0);
	EXPECT_CHILD(pid);
}

TEST(pause_once_keeps_one_thread_and_is_disarmed)
{
	need("pause");
	pid_t pid = parked_child("once");
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "pause"), "wp_copy_alloc kind=sleep armed=0") != NULL);
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	EXPECT_EQ(control("pause", "release wp_copy_alloc"), 0);
	EXPECT_CHILD(pid);
}

TEST(a_killed_thread_leaves_its_pause_point)
{
	need("pause");
	pid_t pid = parked_child("");
	OK(kill(pid, SIGKILL));
	EXPECT_STATUS(pid, KILLED_BY(SIGKILL));
	EXPECT_EQ(parked_at("wp_copy_alloc"), 0);
	EXPECT_EQ(control("pause", "disarm"), 0);
}

static volatile int go;
static void *write_page(void *p)
{
	while (!go)
		sched_yield();
	*(volatile char *)p = 2;
	return NULL;
}

TEST(disarm_lets_all_go)
{
	need("pause");
	pid_t pid = ktap_fork();
	if (!pid) {
		pthread_t t[3];
		for (int i = 0; i < 3; i++)
			OK(pthread_create(&t[i], NULL, write_page, shared_page()));
		go = 0;			/* a page of our own */
		EXPECT_EQ(control("pause", "release wp_copy_alloc"), 0);
		EXPECT_EQ(control("pause", "arm wp_copy_alloc %d", (int)getpid()), 0);
		go = 1;
		for (int i = 0; i < 3; i++)
			pthread_join(t[i], NULL);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("wp_copy_alloc") >= 3));
	EXPECT_EQ(control("pause", "disarm wp_copy_alloc"), 0);
	EXPECT_CHILD(pid);
}

TEST(a_folio_in_the_hands_of_a_parked_thread_is_skipped)
{
	int skipped = 0;
	need("pause");
	need("corrupt");
	pid_t pid = parked_child("");	/* it holds a reference to the page it copies */
	EXPECT_EQ(sscanf(ktap_read(QUIRE_DIR "check"), "ok %*d folios, %d skipped", &skipped), 1);
	EXPECT_GE(skipped, 1);
	EXPECT_EQ(control("pause", "disarm"), 0);
	EXPECT_CHILD(pid);
}

static void *pin_one_page(void *p)
{
	int fd = gup_open();
	EXPECT_EQ(gup_pin(fd, p, PAGE, PIN_WRITE | PIN_FAST), 0);
	close(fd);
	return NULL;
}

TEST(a_spinning_point_holds_a_cpu_and_check_says_so)
{
	need("pause");
	if (ktap_cpus < 2)
		SKIP("one CPU");
	if (parked_at("gup_fast_b1") < 0)
		SKIP("no such point");
	/* Its timers stand still, too: nobody who is to release it may be on that CPU. */
	on_cpu(0);
	pid_t pid = ktap_fork();
	if (!pid) {
		on_cpu(1);
		char *p = anon(PAGE);
		*p = 1;
		EXPECT_EQ(control("pause", "arm gup_fast_b1 %d once", (int)getpid()), 0);
		pin_one_page(p);
		ktap_exit();
	}
	ASSERT_TRUE(ktap_until(parked_at("gup_fast_b1") == 1));
	int fd = OK(open(QUIRE_DIR "check", O_RDONLY));
	char c;
	EXPECT_ERR(read(fd, &c, 1), EBUSY);
	EXPECT_EQ(control("pause", "release gup_fast_b1"), 0);
	EXPECT_CHILD(pid);
	EXPECT_EQ(read(fd, &c, 1), 1);
	close(fd);
}

TEST(pause_takes_only_its_words)
{
	need("pause");
	EXPECT_EQ(control("pause", "arm no_such_point"), EINVAL);
	EXPECT_EQ(control("pause", "arm"), EINVAL);
	EXPECT_EQ(control("pause", "arm wp_copy_alloc -5"), EINVAL);
	EXPECT_EQ(control("pause", "arm wp_copy_alloc 5 twice"), EINVAL);
	EXPECT_EQ(control("pause", "arm wp_copy_alloc 5 once more"), EINVAL);
	EXPECT_EQ(control("pause", "release wp_copy_alloc now"), EINVAL);
	EXPECT_EQ(control("pause", "wait wp_copy_alloc"), EINVAL);
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "pause"), "arm NAME") != NULL);
}

/* ---- fail ---- */

/* The number after KEY in the first line of FILE that begins with NAME; -1: none. */
static long control_number(const char *file, const char *name, const char *key)
{
	char path[100];
	snprintf(path, sizeof(path), QUIRE_DIR "%s", file);
	char *line = strstr(ktap_read(path), name);
	char *value = line ? strstr(line, key) : NULL;
	return value ? strtol(value + strlen(key), NULL, 0) : -1;
}

/* First touch of a 64 KiB block: true if it became a folio of 64 KiB. */
static bool touch_is_64k(void)
{
	char old[32], size[32];
	char *p = reserve(HUGE);
	if (!choose(THP_DIR "enabled", "madvise", old) || !choose(THP_DIR "hugepages-64kB/enabled", "madvise", size))
		SKIP("no large folios");
	char pmd[32];
	choose(THP_DIR "hugepages-2048kB/enabled", "never", pmd);
	madvise(p, HUGE, MADV_HUGEPAGE);
	*p = 1;
	bool is = pfn_of(p + 15 * PAGE) != 0;
	munmap(p, HUGE);
	ktap_write(THP_DIR "hugepages-2048kB/enabled", pmd);
	ktap_write(THP_DIR "hugepages-64kB/enabled", size);
	ktap_write(THP_DIR "enabled", old);
	return is;
}

TEST(fail_makes_one_order_or_the_nth_request_fail)
{
	need("fail");
	if (!touch_is_64k())
		SKIP("no memory for large folios");
	EXPECT_EQ(control("fail", "anon_folio order=4 pid=%d", (int)getpid()), 0);
	EXPECT_TRUE(!touch_is_64k());
	EXPECT_TRUE(!touch_is_64k());
	EXPECT_EQ(control("fail", "anon_folio order=5 pid=%d", (int)getpid()), 0);
	EXPECT_TRUE(touch_is_64k());
	EXPECT_EQ(control("fail", "anon_folio order=4 pid=%d", (int)getpid() + 1), 0);
	EXPECT_TRUE(touch_is_64k());
	EXPECT_EQ(control("fail", "anon_folio order=4 nth=2 pid=%d", (int)getpid()), 0);
	EXPECT_TRUE(touch_is_64k());
	EXPECT_TRUE(!touch_is_64k());
	EXPECT_TRUE(touch_is_64k());
	EXPECT_EQ(control("fail", "anon_folio order=4"), 0);
	EXPECT_EQ(control("fail", "off anon_folio"), 0);
	EXPECT_TRUE(touch_is_64k());
	EXPECT_EQ(control("fail", "off"), 0);
}

TEST(fail_takes_only_its_words)
{
	need("fail");
	EXPECT_EQ(control("fail", "no_such_site"), EINVAL);
	EXPECT_EQ(control("fail", "anon_folio order"), EINVAL);
	EXPECT_EQ(control("fail", "anon_folio order=x"), EINVAL);
	EXPECT_EQ(control("fail", "anon_folio nth=-1"), EINVAL);
	EXPECT_EQ(control("fail", "off no_such_site"), EINVAL);
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "fail"), "NAME [order=N]") != NULL);
	EXPECT_EQ(control_number("fail", "anon_folio", "armed="), 0);
}

/* ---- variant ---- */

TEST(variant_is_one_of_the_words_that_it_lists)
{
	static const char *const words[] = {
		"max_subpage_mapcount", "mapcount_only", "v1_owners", "owner_always_shared", "owner_never_shared", "none",
	};
	need("variant");
	for (unsigned int i = 0; i < sizeof(words) / sizeof(*words); i++) {
		EXPECT_EQ(control("variant", "%s", words[i]), 0);
		char *text = ktap_read(QUIRE_DIR "variant"), *line = strchr(text, '\n') + 1;
		EXPECT_TRUE(!strncmp(line, words[i], strlen(words[i])));
		EXPECT_TRUE(strstr(text, words[i]) < line);
	}
	EXPECT_EQ(control("variant", "classic"), EINVAL);
	EXPECT_EQ(control("variant", "none none"), EINVAL);
}

/* ---- force ---- */

TEST(force_shows_what_its_word_found)
{
	need("force");
	EXPECT_EQ(control("force", "mm_id_limit 0 0 0 0"), 0);
	char *text = ktap_read(QUIRE_DIR "force");
	EXPECT_TRUE(strstr(text, "last: mm_id_limit 0 0 0 0\n") != NULL);
	EXPECT_TRUE(strstr(text, "\nid=") != NULL);
	EXPECT_TRUE(strstr(text, "\nresult: ok\n") != NULL);
	/* A child has another id than its parent. */
	long mine = control_number("force", "id=", "id=");
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	EXPECT_EQ(control("force", "mm_id_limit %d 0 0 0", (int)pid), 0);
	EXPECT_NE(control_number("force", "id=", "id="), mine);
	kill(pid, SIGKILL);
	EXPECT_STATUS(pid, KILLED_BY(SIGKILL));
	EXPECT_EQ(control("force", "mm_id_limit 0 0 0 many"), EINVAL);
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "force"), "\nresult: EINVAL\n") != NULL);
}

TEST(force_takes_only_its_words)
{
	need("force");
	EXPECT_EQ(control("force", "no_such_word 0 0 0"), EINVAL);
	EXPECT_EQ(control("force", "mm_id_limit"), EINVAL);
	EXPECT_EQ(control("force", "mm_id_limit x 0 0 0"), EINVAL);
	EXPECT_EQ(control("force", "mm_id_limit -1 0 0 0"), EINVAL);
	EXPECT_EQ(control("force", "mm_id_limit 0 5 4 0"), EINVAL);
	EXPECT_EQ(control("force", "mm_id_limit 4194000 0 0 0"), ESRCH);
}

/* ---- folio ---- */

TEST(folio_tells_what_it_is_and_who_maps_it)
{
	char query[60];
	if (!have_control("folio"))
		SKIP("this kernel has no such control");
	char *p = anon(2 * PAGE);
	*p = 1;
	char *text = folio_text(getpid(), p);
	ASSERT_TRUE(text != NULL);
	EXPECT_EQ(strtoul(folio_value(text, "pfn"), NULL, 0), pfn_of(p));
	EXPECT_EQ(folio_number(0, p, "order"), 0);
	EXPECT_EQ(folio_number(0, p, "total"), 1);
	EXPECT_EQ(folio_number(0, p, "maps"), 1);
	text = folio_text(0, p);
	EXPECT_TRUE(strstr(folio_value(text, "flags"), "swapbacked") != NULL);
	EXPECT_TRUE(!strncmp(folio_value(text, "kind"), "anon", 4));
	EXPECT_TRUE(!strncmp(folio_value(text, "exclusive"), "0\n", 2));
	snprintf(query, sizeof(query), "map=pid:%d ", (int)getpid());
	EXPECT_TRUE(strstr(text, query) != NULL);
	snprintf(query, sizeof(query), "addr:0x%lx pages:1 by:pte rights:rw- young:1 dirty:1", (unsigned long)p);
	EXPECT_TRUE(strstr(text, query) != NULL);
	/* By frame number: the same. */
	EXPECT_EQ(control("folio", "0x%lx", (unsigned long)pfn_of(p)), 0);
	EXPECT_TRUE(strstr(ktap_read(QUIRE_DIR "folio"), query) != NULL);
	/* Nothing there, nobody there, no frame. */
	EXPECT_EQ(control("folio", "%d:0x%lx", (int)getpid(), (unsigned long)(p + PAGE)), ENOENT);
	EXPECT_EQ(control("folio", "0:0x10"), ENOENT);
	EXPECT_EQ(control("folio", "4194000:0x1000"), ESRCH);
	EXPECT_EQ(control("folio", "0xffffffffff"), EINVAL);
	EXPECT_EQ(control("folio", "1:2:3"), EINVAL);
}

TEST(folio_shows_ranges_slots_and_both_kinds_of_entries)
{
	char mapping[100];
	if (!have_control("folio"))
		SKIP("this kernel has no such control");
	char *p = large_area(HUGE, HUGE_ORDER);
	char *text = folio_text(0, p + 77 * PAGE);
	EXPECT_EQ(strtoul(folio_value(text, "head"), NULL, 0), pfn_of(p));
	snprintf(mapping, sizeof(mapping), "addr:0x%lx pages:512 by:pmd rights:rw-", (unsigned long)p);
	EXPECT_TRUE(strstr(text, mapping) != NULL);
	EXPECT_STATE(p, 1, 1, 1, 0, 0);
	split_pmds(p, HUGE);
	text = folio_text(0, p);
	EXPECT_TRUE(!strncmp(folio_value(text, "exclusive"), "0-511\n", 6));
	OK(madvise(p + 16 * PAGE, 4 * PAGE, MADV_DONTNEED));
	EXPECT_STATE(p, 508, 508, 508, 0, 0);
	text = folio_text(0, p);
	if (folio_value(text, "page_mapcounts"))
		EXPECT_TRUE(!strncmp(folio_value(text, "page_mapcounts"), "0-15:1,20-511:1\n", 16));
	EXPECT_EQ(folio_number(0, p, "partially_mapped"), 1);
	EXPECT_EQ(folio_number(0, p, "queued"), 1);
	EXPECT_EQ(folio_number(0, p, "maybe_mapped_shared"), 0);
	/* The child's VMA has an anon_vma of its own, the folio stays with the parent's. */
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	EXPECT_STATE(p, 1016, 1016, 508, 508, 1);
	EXPECT_EQ(folio_number(pid, p, "maybe_mapped_shared"), 1);
	/* Only the pages that are not mapped any more still say so (COW-4). */
	EXPECT_TRUE(!strncmp(folio_value(folio_text(pid, p), "exclusive"), "16-19\n", 6));
	kill(pid, SIGKILL);
	EXPECT_STATUS(pid, KILLED_BY(SIGKILL));
	EXPECT_TRUE(ktap_until(folio_number(0, p, "total") == 508));
}
