/*
 * tests/user/mmid.c - the ids by which large folios know their owners (MMID-2): T-MMID-8. The state machine
 * itself is tested on the host (tests/host/test_mm_id.c), by folios of files in mmid_file.c.
 */
#include "tests/user/thp.h"
#include <pthread.h>

/*
 * The highest id that may be given out from now on; 0: no limit. Returns PID's id (0: the caller's), which
 * the control prints.
 */
static long limit_ids(pid_t pid, long limit)
{
	control("force", thp_text("mm_id_limit %d 0 0 %ld", (int)pid, limit));
	char *text = ktap_read(QUIRE_DIR "/force"), *id = text ? strstr(text, "\nid=") : NULL;
	ASSERT_TRUE(id != NULL);
	return atol(id + 4);
}
static long id_of(pid_t pid) { return limit_ids(pid, 0); }

/* A child that waits to be killed. */
static pid_t child(void)
{
	pid_t pid = ktap_fork();
	if (!pid)
		for (;;)
			pause();
	return pid;
}
static void end(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	EXPECT_STATUS(pid, KILLED_BY(SIGKILL));
}

/*
 * A child that has the id WANT. Lower ids may become free at any time (the structure outlives its process while
 * another CPU still runs on its tables): children that got one keep it. Higher ones mean that WANT is not free yet.
 */
static pid_t child_with_id(long want)
{
	pid_t pid = 0;
	EXPECT_TRUE(ktap_until(({
		pid = child();
		long got = id_of(pid);
		if (got > want)
			end(pid);
		got == want;
	})));
	return pid;
}

TEST(ids_are_the_lowest_free_ones)
{
	enum { CHILDREN = 8 };
	pid_t pid[CHILDREN];
	long id[CHILDREN];
	int high = 0, low = 0;
	control_need("force");
	for (int i = 0; i < CHILDREN; i++) {
		pid[i] = child();
		id[i] = id_of(pid[i]);
		EXPECT_GE(id[i], 1);
		EXPECT_NE(id[i], id_of(0));
		for (int j = 0; j < i; j++)
			EXPECT_NE(id[i], id[j]);
	}
	/* Two become free again; the lower one is taken first. */
	for (int i = 1; i < CHILDREN; i++) {
		high = id[i] > id[high] ? i : high;
		low = id[i] < id[low] ? i : low;
	}
	end(pid[high]);
	end(pid[low]);
	pid[low] = child_with_id(id[low]);
	pid[high] = child_with_id(id[high]);
}

static void *outlive_the_leader(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* Children to come wait for SIGUSR1: block it before the fork, then it is not lost. */
static sigset_t word;
static void block_word(void)
{
	sigemptyset(&word);
	sigaddset(&word, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &word, NULL));
}
static void wait_for_word(void)
{
	int sig;
	sigwait(&word, &sig);
}

/* Not before the last user of the address space is gone: a thread whose group leader has ended keeps it. */
TEST(an_id_in_use_is_not_given_out)
{
	control_need("force");
	block_word();
	pid_t holder = ktap_fork();
	if (!holder) {
		pthread_t thread;
		wait_for_word();
		if (!pthread_create(&thread, NULL, outlive_the_leader, NULL))
			syscall(SYS_exit, 0);
		_exit(1);
	}
	long held = id_of(holder);
	OK(kill(holder, SIGUSR1));
	EXPECT_TRUE(ktap_until(ktap_state(holder) == 'Z'));
	for (int i = 0; i < 20; i++) {
		pid_t pid = child();
		EXPECT_NE(id_of(pid), held);
		end(pid);
	}
	end(holder);
}

/* The id space is exhausted: no new address space, by fork or exec, and no harm. */
TEST(no_id_no_process)
{
	control_need("force");
	block_word();
	pid_t waiting = ktap_fork();
	if (!waiting) {		/* has its id already, and will want another one for exec */
		wait_for_word();
		EXPECT_ERR(execv("/proc/self/exe", ktap_self("nothing")), ENOMEM);
		ktap_exit();
	}
	limit_ids(0, 1);
	for (int i = 0; i < 100; i++)
		EXPECT_ERR(fork(), ENOMEM);
	/* A thread needs none. */
	pthread_t thread;
	EXPECT_EQ(pthread_create(&thread, NULL, outlive_the_leader, NULL), 0);
	OK(kill(waiting, SIGUSR1));
	EXPECT_CHILD(waiting);
	limit_ids(0, 0);
	end(child());
}

HELPER(nothing) { return 0; }

TEST(nonsense_is_refused)
{
	control_need("force");
	static const char *const bad[] = {
		"mm_id_limit", "mm_id_limit 0 0 0", "mm_id_limit 0 0 0 x", "mm_id_limit 0 0 0 -1",
		"mm_id_limit 0 0 0 2147483648",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_EQ(ktap_write(QUIRE_DIR "/force", bad[i]), EINVAL);
}

/* ---- The variants of the rules (quire/variant) ---- */

#define KB_64 (64 * KB)

/* A folio of 64 KiB, all of it written by this process. */
static char *folio_64k(void)
{
	thp_need_sizes();
	control_need("variant");
	stay_here();		/* no reference stays behind in another CPU's batch */
	thp_only(64, 0);
	char *p = thp_anon_at(KB_64, KB_64, 0);
	memset(p, 1, KB_64);
	ASSERT_EQ(folio_pages(p), 16);
	return p;
}

/* Does a write to page I of P, which is not exclusive, stay in its frame? */
static bool write_reuses(char *p, int i)
{
	uint64_t before = pfn_of(p + i * PAGE);
	p[i * PAGE] = 2;
	return pfn_of(p + i * PAGE) == before;
}

TEST(the_owner_query_decides_about_reuse)
{
	char *p = folio_64k();

	end(child());		/* was shared, is ours alone again */
	EXPECT_TRUE(write_reuses(p, 1));
	control("variant", "owner_always_shared");
	EXPECT_TRUE(!write_reuses(p, 2));
	control("variant", "none");
	EXPECT_TRUE(write_reuses(p, 3));
	pid_t pid = child();
	EXPECT_TRUE(!write_reuses(p, 4));
	/* What a false "exclusive" would mean: the child sees the write. */
	control("variant", "owner_never_shared");
	EXPECT_TRUE(write_reuses(p, 5));
	control("variant", "none");
	end(pid);
	thp_defaults();
}

/* Each version of the rules takes over what the other one has noted, at any time (MMID-18..21). */
TEST(rules_may_change_under_mapped_folios)
{
	char *p = folio_64k();

	for (int round = 0; round < 16; round++) {
		pid_t pid[2];
		for (int i = 0; i < 4; i++) {
			control("variant", round >> i & 1 ? "v1_owners" : "none");
			if (i < 2)
				pid[i] = child();
			else
				end(pid[i - 2]);
		}
		EXPECT_EQ(p[round * PAGE], 1);
		EXPECT_TRUE(write_reuses(p, round));
	}
	OK(munmap(p, KB_64));
	control("variant", "none");
	thp_defaults();
}
