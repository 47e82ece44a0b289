/*
 * tests/user/ktap.h - the harness of the user test programs: include it once, write TEST()s, no main().
 *
 *	TEST(name)		one case; it runs in a child process of its own, in its own process group
 *	TEST_SLOW(name)		left out of the quick selection (KTAP_QUICK=1)
 *	HELPER(name)		another program: what ktap_self(name) becomes after exec; gets argc, argv
 *	EXPECT_...		notes a failure and goes on; ASSERT_... ends the case
 *	SKIP(why)		ends the case: not a failure. Probe for a feature, never for a version
 *	FORK { ... }		a child whose failed EXPECTs fail the case, once EXPECT_CHILD waits for it:
 *					pid_t pid = ktap_fork();
 *					if (!pid) { EXPECT_EQ(...); ktap_exit(); }
 *					EXPECT_CHILD(pid);
 *
 * Output is flat KTAP: "1..N", then "ok 1 - name", "not ok 2 - name" or "ok 3 - name # SKIP why"; each line one write.
 * A case that takes longer than its limit (300 s, TEST_LIMIT) is killed with its process group and has failed. The
 * kernel's own check of its memory, where there is one, is the last case of each program.
 *
 * While a program runs, khugepaged sleeps: what it would collapse depends on time. A program about khugepaged defines
 * KTAP_KHUGEPAGED_IS_OURS before it includes this file, and sets its pace itself.
 *
 * Environment: SEED (ktap_random), CASE (run this case only), SCALE (percent of the heavy loops, ktap_scale),
 * KTAP_QUICK. The same program runs on Linux: what Linux says there is right.
 */
#ifndef TESTS_USER_KTAP_H
#define TESTS_USER_KTAP_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct ktap_case { const char *name; void (*run)(void); int slow, limit_s; };
struct ktap_helper { const char *name; int (*run)(int argc, char **argv); };

#define KTAP_CASE(n, slow_, limit_) \
	static void test_##n(void); \
	static const struct ktap_case ktap_case_##n = { #n, test_##n, slow_, limit_ }; \
	static const struct ktap_case *const ktap_ptr_##n \
		__attribute__((section("ktap_cases"), used)) = &ktap_case_##n; \
	static void test_##n(void)
#define TEST(n)			KTAP_CASE(n, 0, 300)
#define TEST_SLOW(n)		KTAP_CASE(n, 1, 240)
#define TEST_LIMIT(n, s)	KTAP_CASE(n, 0, s)
#define HELPER(n) \
	static int helper_##n(int argc, char **argv); \
	static const struct ktap_helper ktap_helper_##n = { #n, helper_##n }; \
	static const struct ktap_helper *const ktap_hptr_##n \
		__attribute__((section("ktap_helpers"), used)) = &ktap_helper_##n; \
	static int helper_##n(int argc, char **argv)
extern const struct ktap_case *const __start_ktap_cases[], *const __stop_ktap_cases[];
extern const struct ktap_helper *const __start_ktap_helpers[] __attribute__((weak));
extern const struct ktap_helper *const __stop_ktap_helpers[] __attribute__((weak));

#define PAGE 4096UL
#define KTAP_SKIPPED 4
#define __unused_fn __attribute__((unused))

static int ktap_failed;		/* this process has seen a failed EXPECT */
static int ktap_skip_fd = -1;	/* carries the reason of a SKIP to the parent */

/* One line, one write: lines of several processes do not mix. */
static __attribute__((format(printf, 1, 2))) void ktap_line(const char *format, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(1, line, n) != n)
		_exit(120);
}

static __unused_fn void ktap_exit(void) { _exit(ktap_failed); }

#define KTAP_FAIL(...) do { ktap_failed = 1; ktap_line(__VA_ARGS__); } while (0)
/* What failed before has failed. */
#define SKIP(why) do { \
	if (ktap_failed) \
		_exit(1); \
	if (write(ktap_skip_fd, why, strlen(why)) < 0) {} \
	_exit(KTAP_SKIPPED); } while (0)

#define KTAP_COMPARE(a, op, b, bad) do { \
	long long ktap_a = (long long)(a), ktap_b = (long long)(b); \
	if (!(ktap_a op ktap_b)) { \
		KTAP_FAIL("# %s:%d: %s " #op " %s: %lld (0x%llx) and %lld (0x%llx)", __FILE__, __LINE__, #a, #b, \
			  ktap_a, ktap_a, ktap_b, ktap_b); \
		bad; \
	} } while (0)
#define EXPECT_EQ(a, b)	KTAP_COMPARE(a, ==, b, )
#define EXPECT_NE(a, b)	KTAP_COMPARE(a, !=, b, )
#define EXPECT_GE(a, b)	KTAP_COMPARE(a, >=, b, )
#define EXPECT_LE(a, b)	KTAP_COMPARE(a, <=, b, )
#define EXPECT_GT(a, b)	KTAP_COMPARE(a, >, b, )
#define EXPECT_LT(a, b)	KTAP_COMPARE(a, <, b, )
#define ASSERT_EQ(a, b)	KTAP_COMPARE(a, ==, b, ktap_exit())
#define ASSERT_NE(a, b)	KTAP_COMPARE(a, !=, b, ktap_exit())
#define ASSERT_GE(a, b)	KTAP_COMPARE(a, >=, b, ktap_exit())

#define KTAP_TRUE(x, bad) do { if (!(x)) { \
	KTAP_FAIL("# %s:%d: not true: %s (errno %d %s)", __FILE__, __LINE__, #x, errno, strerror(errno)); bad; } } while (0)
#define EXPECT_TRUE(x)	KTAP_TRUE(x, )
#define ASSERT_TRUE(x)	KTAP_TRUE(x, ktap_exit())
/* A system call that must succeed: its value, or the end of the case. */
#define OK(call) ({ long long ktap_r = (long long)(call); \
	if (ktap_r == -1) { \
		KTAP_FAIL("# %s:%d: %s: %s", __FILE__, __LINE__, #call, strerror(errno)); ktap_exit(); } \
	(__typeof__(call))ktap_r; })
/* A system call that must fail with this errno. */
#define EXPECT_ERR(call, error) do { errno = 0; long long ktap_r = (long long)(call); int ktap_e = errno; \
	if (ktap_r != -1 || ktap_e != (error)) \
		KTAP_FAIL("# %s:%d: %s gives %lld errno %d (%s), expected %s", __FILE__, __LINE__, #call, ktap_r, ktap_e, \
			  strerror(ktap_e), #error); } while (0)
#define EXPECT_STR(a, b) do { const char *ktap_a = (a), *ktap_b = (b); if (strcmp(ktap_a, ktap_b)) \
	KTAP_FAIL("# %s:%d: %s is \"%s\", expected \"%s\"", __FILE__, __LINE__, #a, ktap_a, ktap_b); } while (0)
#define EXPECT_STATUS(pid, status) do { int ktap_s = ktap_wait(pid); if (ktap_s != (status)) \
	KTAP_FAIL("# %s:%d: child ended with status 0x%x, expected 0x%x", __FILE__, __LINE__, ktap_s, (status)); } while (0)
#define EXPECT_CHILD(pid) EXPECT_STATUS(pid, 0)
/* The wait status of a death by SIG; a core bit is ignored by ktap_wait. */
#define KILLED_BY(sig) (sig)
#define EXITED(code) ((code) << 8)

static __unused_fn int ktap_wait(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(status) ? WTERMSIG(status) : status;
}

static __unused_fn pid_t ktap_fork(void)
{
	pid_t pid = OK(fork());
	if (!pid)
		ktap_failed = 0;
	return pid;
}

static __unused_fn double ktap_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}
static __unused_fn void ktap_sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&t, &t) && errno == EINTR)
		;
}
/* Wait until CONDITION holds, looking each millisecond, at most 120 s; false if it never did. */
#define ktap_until(condition) ({ \
	double ktap_end = ktap_now() + 120; bool ktap_ok; \
	while (!(ktap_ok = !!(condition)) && ktap_now() < ktap_end) \
		ktap_sleep_ms(1); \
	ktap_ok; })

/* CPUs that this program may run on: musl asks the affinity mask, which a case that binds itself to one of them narrows. */
static long ktap_cpus = 1;
/* N, or the share of it that SCALE asks for; never 0. */
static __unused_fn long ktap_scale(long n)
{
	const char *s = getenv("SCALE");
	long scaled = s ? n * atol(s) / 100 : n;
	return scaled > 0 ? scaled : 1;
}
static uint64_t ktap_seed_state;
static __unused_fn uint64_t ktap_random(void)
{
	if (!ktap_seed_state)
		ktap_seed_state = (getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1) * 0x9e3779b97f4a7c15ull + 1;
	ktap_seed_state ^= ktap_seed_state << 13;
	ktap_seed_state ^= ktap_seed_state >> 7;
	ktap_seed_state ^= ktap_seed_state << 17;
	return ktap_seed_state;
}

/* argv of this program as helper NAME: { "/proc/self/exe", "helper:NAME", extra... }, for execv. */
#define ktap_self(name, ...) ((char *[]){ "/proc/self/exe", "helper:" name, ##__VA_ARGS__, NULL })

/* A whole small file as a string (static buffer of 256 KiB), or NULL. */
static __unused_fn char *ktap_read(const char *path)
{
	static char buffer[256 * 1024];
	size_t n = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	while (n < sizeof(buffer) - 1 && (got = read(fd, buffer + n, sizeof(buffer) - 1 - n)) > 0)
		n += got;
	close(fd);
	buffer[n] = 0;
	return buffer;
}
/* Write TEXT to an existing file in one call: 0, or the errno. */
static __unused_fn int ktap_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}
/* The number behind NAME at the start of a line of PATH ("pgfault 123", "VmRSS:   123 kB"); -1 if there is none. */
static __unused_fn long ktap_number(const char *path, const char *name)
{
	char *text = ktap_read(path);
	size_t length = strlen(name);
	for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, length) && strchr(": \t", line[length]))
			return strtol(line + length + strspn(line + length, ": \t"), NULL, 10);
	return -1;
}
/* The letter that /proc shows for the state of a task (directory DIR, such as /proc/17): S asleep, 0 no such task. */
static __unused_fn char ktap_state_of(const char *dir)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/stat", dir);
	char *text = ktap_read(path), *end = text ? strrchr(text, ')') : NULL;
	return end ? end[2] : 0;
}
static __unused_fn char ktap_state(pid_t pid)
{
	char dir[40];
	snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	return ktap_state_of(dir);
}
/* Wait until PID sleeps: then it is in the call that it makes last. */
#define ktap_asleep(pid) ktap_until(ktap_state(pid) == 'S')

/* This is Quire, not Linux. */
static __unused_fn bool ktap_is_quire(void) { return access("/sys/kernel/debug/quire", F_OK) == 0; }

/* --- The runner inside the program ---------------------------------------------------------------------- */

/*
 * Wait for the case, but not for ever, and say every two minutes that it goes on: a machine that is silent for long is taken
 * for dead. The wait status, or -1 after a kill.
 */
static int ktap_watch(pid_t pid, int limit_s)
{
	double began = ktap_now(), end = began + limit_s, say = began + 120;
	long nap_us = 100;
	int status;
	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);
		if (got == pid)
			break;
		if (got == -1 && errno != EINTR)
			return -1;
		if (ktap_now() > say) {
			ktap_line("# running for %.0f s", ktap_now() - began);
			say += 120;
		}
		if (ktap_now() > end) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			status = -1;
			break;
		}
		struct timespec nap = { 0, nap_us * 1000 };
		nanosleep(&nap, NULL);
		if (nap_us < 10000)
			nap_us *= 2;
	}
	kill(-pid, SIGKILL);		/* what the case left behind */
	while (waitpid(-pid, NULL, WNOHANG) > 0)
		;
	return status;
}

static int ktap_run_case(const struct ktap_case *c, int number)
{
	int reason[2];
	char why[200] = "";
	if (pipe2(reason, O_CLOEXEC | O_NONBLOCK)) {
		ktap_line("not ok %d - %s # pipe: %s", number, c->name, strerror(errno));
		return 1;
	}
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		ktap_skip_fd = reason[1];
		c->run();
		ktap_exit();
	}
	if (pid < 0) {
		ktap_line("not ok %d - %s # fork: %s", number, c->name, strerror(errno));
		return 1;
	}
	int status = ktap_watch(pid, c->limit_s);
	ssize_t n = read(reason[0], why, sizeof(why) - 1);
	why[n > 0 ? n : 0] = 0;
	close(reason[0]);
	close(reason[1]);
	if (status == 0)
		ktap_line("ok %d - %s", number, c->name);
	else if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == KTAP_SKIPPED)
		ktap_line("ok %d - %s # SKIP %s", number, c->name, why);
	else if (status == -1)
		ktap_line("not ok %d - %s # no end after %d s", number, c->name, c->limit_s);
	else if (WIFSIGNALED(status))
		ktap_line("not ok %d - %s # killed by signal %d", number, c->name, WTERMSIG(status));
	else
		ktap_line("not ok %d - %s # exit status %d", number, c->name, WEXITSTATUS(status));
	return status != 0 && !(status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == KTAP_SKIPPED);
}

/*
 * The last line of every program where the kernel can check its whole memory (a debug build of Quire): the cases have left
 * nothing wrong and nothing in the middle. First the controls that a failed case may have left on are put back.
 */
#define KTAP_CONTROLS "/sys/kernel/debug/quire/"
static bool ktap_can_check(void) { return access(KTAP_CONTROLS "check", R_OK) == 0; }

static int ktap_check_memory(int number)
{
	static const char *const reset[][2] = {
		{ "pause", "disarm" }, { "fail", "off" }, { "variant", "none" }, { "corrupt", "undo" }, { "alloc", "free" },
	};
	bool ok = false;
	char *text = NULL;
	for (unsigned int i = 0; i < sizeof(reset) / sizeof(*reset); i++) {
		char path[100];
		snprintf(path, sizeof(path), KTAP_CONTROLS "%s", reset[i][0]);
		ktap_write(path, reset[i][1]);
	}
	/* What the cases left behind was killed, but may still be on its way out. */
	for (int i = 0; i < 30 && !ok; i++) {
		if (i)
			ktap_sleep_ms(100);
		text = ktap_read(KTAP_CONTROLS "check");
		ok = text && !strncmp(text, "ok ", 3) && strstr(text, " 0 skipped");
	}
	for (char *line = text, *end; !ok && line && *line; line = end + 1) {
		end = line + strcspn(line, "\n");
		ktap_line("# check: %.*s", (int)(end - line), line);
		if (!*end)
			break;
	}
	ktap_line("%sok %d - memory_is_consistent", ok ? "" : "not ", number);
	return !ok;
}

/* The sleep between khugepaged's passes becomes MILLISECONDS. What it was, for the next call; "": leave it alone. */
#define KTAP_SCAN_SLEEP "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs"
static void ktap_scan_sleep(char milliseconds[32])
{
#ifndef KTAP_KHUGEPAGED_IS_OURS
	char *old = milliseconds[0] ? ktap_read(KTAP_SCAN_SLEEP) : NULL, now[32] = "";
	if (old) {
		snprintf(now, sizeof(now), "%.*s", (int)strcspn(old, "\n"), old);
		ktap_write(KTAP_SCAN_SLEEP, milliseconds);
	}
	strcpy(milliseconds, now);
#else
	(void)milliseconds;
#endif
}

static int ktap_help(int argc, char **argv)
{
	for (const struct ktap_helper *const *h = __start_ktap_helpers; h < __stop_ktap_helpers; h++)
		if (!strcmp((*h)->name, argv[1] + strlen("helper:")))
			return (*h)->run(argc, argv);
	return 125;
}

int main(int argc, char **argv)
{
	const char *only = getenv("CASE");
	bool quick = getenv("KTAP_QUICK") != NULL;
	int number = 0, failures = 0;
	char scan_sleep[32] = "4000000000";

	ktap_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (argc > 1 && !strncmp(argv[1], "helper:", 7))
		return ktap_help(argc, argv);
	/* By hand the cases to run may be named as arguments. */
	if (argc > 1)
		only = argv[1];
#define KTAP_WANTED(c) (only && *only ? !strcmp(only, (c)->name) : !(quick && (c)->slow))
	for (const struct ktap_case *const *c = __start_ktap_cases; c < __stop_ktap_cases; c++)
		number += KTAP_WANTED(*c);
	ktap_line("1..%d", number + ktap_can_check());
	number = 0;
	ktap_scan_sleep(scan_sleep);
	for (const struct ktap_case *const *c = __start_ktap_cases; c < __stop_ktap_cases; c++)
		if (KTAP_WANTED(*c))
			failures += ktap_run_case(*c, ++number);
	if (ktap_can_check())
		failures += ktap_check_memory(++number);
	ktap_scan_sleep(scan_sleep);
	return failures ? 1 : 0;
}

#endif
