/*
 * tests/user/trace.c - the files of /sys/kernel/tracing and the rings behind them: switching events on, order and time,
 * readers that consume and readers that do not, lost records counted, records never torn. What the events say: trace_mm.c.
 *
 * Most records here are markers (trace_marker): their text is ours, so it can be checked.
 */
#include "tests/user/pages.h"
#include "tests/user/trace.h"
#include <pthread.h>
#include <sys/vfs.h>

#define MAX_CPUS 64

static void marker(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int marker_fd = -1;
static void marker(const char *format, ...)
{
	char text[900];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (marker_fd < 0)
		marker_fd = OK(open(trace_path("trace_marker"), O_WRONLY | O_CLOEXEC));
	if (write(marker_fd, text, n) != n)
		KTAP_FAIL("# marker: %s", strerror(errno));
}
static void go_to_cpu(int cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
}
static int cpus(void)
{
	int n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	return n < MAX_CPUS ? n : MAX_CPUS;
}
static char *cpu_file(int cpu, const char *name)
{
	static char file[60];
	snprintf(file, sizeof(file), "per_cpu/cpu%d/%s", cpu, name);
	return file;
}
/* A number of per_cpu/cpuN/stats: "overrun: 17". */
static long cpu_stat(int cpu, const char *name) { return ktap_number(trace_path(cpu_file(cpu, "stats")), name); }

/* No events, empty rings of KB each, everything on. */
static void fresh(const char *kb)
{
	start_events("");
	EXPECT_EQ(trace_write("options/overwrite", "1"), 0);
	EXPECT_EQ(trace_write("buffer_size_kb", kb), 0);
	EXPECT_EQ(trace_write("trace", ""), 0);
}
static void put_back(void)
{
	stop_events();
	EXPECT_EQ(trace_write("tracing_on", "1"), 0);
	EXPECT_EQ(trace_write("options/overwrite", "1"), 0);
	EXPECT_EQ(trace_write("buffer_size_kb", "1408"), 0);
}
static bool file_has_line(const char *file, const char *line)
{
	char *text = trace_read_file(file);
	size_t length = strlen(line);
	bool found = false;
	for (char *at = text; *at && !found; at += strcspn(at, "\n"), at += *at == '\n')
		found = strcspn(at, "\n") == length && !strncmp(at, line, length);
	free(text);
	return found;
}
static bool file_is(const char *file, const char *text)
{
	char *is = trace_read_file(file);
	bool same = !strcmp(is, text);
	if (!same)
		ktap_line("# %s is \"%.300s\"", file, is);
	free(is);
	return same;
}

/* ---- What is there ---- */

TEST(the_header_is_that_of_ftrace)
{
	static const char *const lines[] = {
		"# tracer: nop", "#                                _-----=> irqs-off/BH-disabled",
		"#                               / _----=> need-resched", "#                              | / _---=> hardirq/softirq",
		"#                              || / _--=> preempt-depth",
		"#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION", "#              | |         |   |||||     |         |",
	};
	char *text, *at;
	long entries, written, n;

	fresh("64");
	marker("one\n");
	marker("two");
	text = trace_read_file("trace");
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		EXPECT_TRUE(file_has_line("trace", lines[i]));
	at = strstr(text, "# entries-in-buffer/entries-written: ");
	ASSERT_TRUE(at != NULL);
	EXPECT_EQ(sscanf(at, "# entries-in-buffer/entries-written: %ld/%ld   #P:%ld", &entries, &written, &n), 3);
	EXPECT_EQ(entries, 2);
	EXPECT_EQ(written, 2);
	EXPECT_EQ(n, sysconf(_SC_NPROCESSORS_ONLN));
	free(text);
	read_events();
	EXPECT_EQ(event_count("tracing_mark_write"), 2);
	EXPECT_EQ(event_pid(event_line("tracing_mark_write", 0)), getpid());
	EXPECT_TRUE(strstr(event_line("tracing_mark_write", 0), ": tracing_mark_write: one") != NULL);
	EXPECT_TRUE(strstr(event_line("tracing_mark_write", 1), ": tracing_mark_write: two") != NULL);
	put_back();
}

TEST(small_files_say_what_there_is)
{
	if (!trace_dir())
		SKIP("no tracefs");
	EXPECT_TRUE(file_is("current_tracer", "nop\n"));
	EXPECT_TRUE(strstr(ktap_read(trace_path("available_tracers")), "nop") != NULL);
	EXPECT_EQ(trace_write("trace_clock", "local"), 0);
	EXPECT_TRUE(strstr(ktap_read(trace_path("trace_clock")), "[local]") != NULL);
	EXPECT_EQ(trace_write("current_tracer", "nop"), 0);
	EXPECT_EQ(trace_write("current_tracer", "rubbish"), EINVAL);
	EXPECT_EQ(trace_write("trace_clock", "rubbish"), EINVAL);
	EXPECT_EQ(trace_write("trace_options", "rubbish"), EINVAL);
	EXPECT_TRUE(file_has_line("available_events", "exceptions:page_fault_user"));
	EXPECT_TRUE(file_has_line("available_events", "sched:sched_switch"));
	EXPECT_TRUE(file_has_line("available_events", "kmem:mm_page_alloc"));
}

/* Fields lie where their offsets say: in order, aligned, none on top of another. */
TEST(formats_describe_the_records)
{
	char *events = trace_dir() ? trace_read_file("available_events") : NULL, system[60], name[60], file[160];
	int seen = 0;

	if (!events)
		SKIP("no tracefs");
	for (char *line = events; sscanf(line, "%59[^:]:%59s", system, name) == 2; line = strchr(line, '\n') + 1) {
		bool ours = ktap_is_quire() || !strcmp(system, "exceptions") || !strcmp(system, "huge_memory");
		long end = 0, id = -1;
		if (!ours)
			continue;
		seen++;
		snprintf(file, sizeof(file), "events/%s/%s/format", system, name);
		char *text = trace_read_file(file), want[160];
		snprintf(want, sizeof(want), "name: %s\nID: ", name);
		EXPECT_TRUE(!strncmp(text, want, strlen(want)));
		sscanf(text + strlen(want), "%ld", &id);
		EXPECT_TRUE(strstr(text, "\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n") != NULL);
		EXPECT_TRUE(strstr(text, "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\tfield:") != NULL);
		EXPECT_TRUE(strstr(text, "\n\nprint fmt: \"") != NULL);
		for (char *at = text; (at = strstr(at, "offset:")); at++) {
			long offset, size;
			EXPECT_EQ(sscanf(at, "offset:%ld;\tsize:%ld;", &offset, &size), 2);
			EXPECT_GE(offset, end);
			end = offset + size;
		}
		free(text);
		snprintf(file, sizeof(file), "events/%s/%s/id", system, name);
		EXPECT_EQ(strtol(ktap_read(trace_path(file)), NULL, 10), id);
	}
	EXPECT_GE(seen, 2);
	free(events);
}

TEST(all_mounts_show_the_same_tree)
{
	struct statfs fs;
	char dir[] = "/tmp/tracing-XXXXXX", path[100];
	struct stat here, there;

	if (!trace_dir())
		SKIP("no tracefs");
	ASSERT_TRUE(mkdtemp(dir) != NULL);
	OK(mount("tracefs", dir, "tracefs", 0, NULL));
	EXPECT_EQ(statfs(dir, &fs), 0);
	EXPECT_EQ(fs.f_type, 0x74726163);
	snprintf(path, sizeof(path), "%s/trace", dir);
	OK(stat(path, &there));
	OK(stat(trace_path("trace"), &here));
	EXPECT_EQ(here.st_ino, there.st_ino);
	EXPECT_EQ(here.st_mode & 07777, 0640);
	OK(umount(dir));
	rmdir(dir);
	if (!access("/sys/kernel/debug", X_OK) && ktap_is_quire()) {
		OK(stat("/sys/kernel/debug/tracing/trace", &there));
		EXPECT_EQ(here.st_ino, there.st_ino);
	}
}

/* ---- Switching ---- */

TEST(set_event_understands_its_words)
{
	start_events("");
	EXPECT_TRUE(file_is("set_event", ""));
	EXPECT_EQ(trace_write("set_event", "sched:sched_switch"), 0);
	EXPECT_TRUE(file_is("set_event", "sched:sched_switch\n"));
	EXPECT_EQ(trace_append("set_event", "exceptions:*\n"), 0);
	EXPECT_TRUE(file_has_line("set_event", "sched:sched_switch"));
	EXPECT_TRUE(file_has_line("set_event", "exceptions:page_fault_user"));
	EXPECT_TRUE(file_has_line("set_event", "exceptions:page_fault_kernel"));
	EXPECT_EQ(trace_append("set_event", "!sched:sched_switch"), 0);
	EXPECT_TRUE(!file_has_line("set_event", "sched:sched_switch"));
	EXPECT_EQ(trace_append("set_event", "  !exceptions:page_fault_kernel\n"), 0);
	EXPECT_TRUE(file_is("set_event", "exceptions:page_fault_user\n"));
	EXPECT_EQ(trace_append("set_event", "!exceptions:"), 0);
	EXPECT_TRUE(file_is("set_event", ""));
	/* A name without a colon: of an event, or of a system. */
	EXPECT_EQ(trace_write("set_event", "page_fault_user"), 0);
	EXPECT_TRUE(file_is("set_event", "exceptions:page_fault_user\n"));
	EXPECT_EQ(trace_write("set_event", "exceptions"), 0);
	EXPECT_TRUE(file_has_line("set_event", "exceptions:page_fault_kernel"));
	EXPECT_EQ(trace_write("set_event", "*:page_fault_user"), 0);
	EXPECT_TRUE(file_is("set_event", "exceptions:page_fault_user\n"));
	EXPECT_EQ(trace_write("set_event", ":page_fault_kernel"), 0);
	EXPECT_TRUE(file_is("set_event", "exceptions:page_fault_kernel\n"));
	stop_events();
	EXPECT_TRUE(file_is("set_event", ""));
}

TEST(what_is_no_event_is_refused)
{
	start_events("sched:sched_switch");
	EXPECT_EQ(trace_append("set_event", "sched:rubbish"), EINVAL);
	EXPECT_EQ(trace_append("set_event", "rubbish:sched_switch"), EINVAL);
	EXPECT_EQ(trace_append("set_event", "rubbish"), EINVAL);
	EXPECT_EQ(trace_append("set_event", "!rubbish:*"), EINVAL);
	EXPECT_EQ(trace_append("set_event", "sched_swit"), EINVAL);
	EXPECT_TRUE(file_is("set_event", "sched:sched_switch\n"));
	stop_events();
}

TEST(enable_files_and_set_event_agree)
{
	start_events("exceptions:page_fault_user");
	EXPECT_TRUE(file_is("events/exceptions/page_fault_user/enable", "1\n"));
	EXPECT_TRUE(file_is("events/exceptions/page_fault_kernel/enable", "0\n"));
	EXPECT_TRUE(file_is("events/exceptions/enable", "X\n"));
	EXPECT_TRUE(file_is("events/enable", "X\n"));
	EXPECT_EQ(trace_write("events/exceptions/page_fault_kernel/enable", "1\n"), 0);
	EXPECT_TRUE(file_is("events/exceptions/enable", "1\n"));
	EXPECT_TRUE(file_has_line("set_event", "exceptions:page_fault_kernel"));
	EXPECT_EQ(trace_write("events/exceptions/enable", "0"), 0);
	EXPECT_TRUE(file_is("events/exceptions/enable", "0\n"));
	EXPECT_TRUE(file_is("events/enable", "0\n"));
	EXPECT_TRUE(file_is("set_event", ""));
	EXPECT_EQ(trace_write("events/exceptions/enable", "2"), EINVAL);
	EXPECT_EQ(trace_write("events/exceptions/page_fault_user/enable", "2"), EINVAL);
	EXPECT_EQ(trace_write("events/exceptions/page_fault_user/enable", "rubbish"), EINVAL);
	EXPECT_TRUE(file_is("set_event", ""));
	stop_events();
}

static void fault_once(void)
{
	char *p = anon(PAGE);
	*(volatile char *)p = 1;
	munmap(p, PAGE);
}

TEST(an_event_that_is_off_leaves_nothing)
{
	fresh("64");
	fault_once();
	read_events();
	EXPECT_EQ(event_count("page_fault_user"), 0);
	EXPECT_EQ(trace_append("set_event", "exceptions:page_fault_user"), 0);
	fault_once();
	read_events();
	EXPECT_GE(event_count("page_fault_user"), 1);
	EXPECT_EQ(trace_append("set_event", "!exceptions:page_fault_user"), 0);
	EXPECT_EQ(trace_write("trace", ""), 0);
	fault_once();
	read_events();
	EXPECT_EQ(event_count("page_fault_user"), 0);
	put_back();
}

TEST(tracing_on_is_the_main_switch)
{
	fresh("64");
	EXPECT_TRUE(file_is("tracing_on", "1\n"));
	EXPECT_EQ(trace_append("set_event", "exceptions:page_fault_user"), 0);
	EXPECT_EQ(trace_write("tracing_on", "0"), 0);
	EXPECT_TRUE(file_is("tracing_on", "0\n"));
	EXPECT_EQ(trace_write("trace", ""), 0);
	fault_once();
	EXPECT_EQ(trace_append("trace_marker", "nobody hears this"), EBADF);
	read_events();
	EXPECT_EQ(event_count("page_fault_user"), 0);
	EXPECT_EQ(event_count("tracing_mark_write"), 0);
	EXPECT_EQ(trace_write("tracing_on", "rubbish"), EINVAL);
	EXPECT_EQ(trace_write("tracing_on", "1"), 0);
	fault_once();
	read_events();
	EXPECT_GE(event_count("page_fault_user"), 1);
	put_back();
}

TEST(set_event_pid_names_whose_events_count)
{
	char text[40];
	pid_t child;
	int line = 0, own = 0, others = 0;

	fresh("256");
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	EXPECT_EQ(trace_write("set_event_pid", text), 0);
	EXPECT_TRUE(file_is("set_event_pid", text));
	EXPECT_EQ(trace_append("set_event", "exceptions:page_fault_user"), 0);
	fault_once();
	child = ktap_fork();
	if (!child) {
		fault_once();
		ktap_exit();
	}
	EXPECT_CHILD(child);
	read_events();
	for (char *l; (l = event_line("page_fault_user", line)); line++)
		*(event_pid(l) == getpid() ? &own : &others) += 1;
	EXPECT_GE(own, 1);
	EXPECT_EQ(others, 0);
	EXPECT_EQ(trace_append("set_event_pid", "rubbish"), EINVAL);
	EXPECT_EQ(trace_write("set_event_pid", ""), 0);
	EXPECT_EQ(trace_write("trace", ""), 0);
	child = ktap_fork();
	if (!child) {
		fault_once();
		ktap_exit();
	}
	EXPECT_CHILD(child);
	read_events();
	for (int i = 0; event_line("page_fault_user", i); i++)
		others += event_pid(event_line("page_fault_user", i)) == child;
	EXPECT_GE(others, 1);
	put_back();
}

/* ---- Markers ---- */

TEST(markers_of_all_lengths)
{
	static char long_text[9000];
	int fd;
	ssize_t n;

	fresh("64");
	memset(long_text, 'x', sizeof(long_text) - 1);
	fd = OK(open(trace_path("trace_marker"), O_WRONLY | O_CLOEXEC));
	for (int length = 1; length < 600; length += 37)
		EXPECT_EQ(write(fd, long_text, length), length);
	/* What is too long is cut, and the caller told. */
	n = write(fd, long_text, sizeof(long_text) - 1);
	EXPECT_GE(n, 900);
	EXPECT_LT(n, 9000);
	EXPECT_ERR(write(fd, (void *)8, 100), EFAULT);
	close(fd);
	read_events();
	for (int i = 0, length = 1; length < 600; length += 37, i++) {
		char *line = event_line("tracing_mark_write", i);
		ASSERT_TRUE(line != NULL);
		EXPECT_EQ(strlen(event_says(line, "tracing_mark_write")), length);
	}
	put_back();
}

/* ---- trace ---- */

TEST(reading_trace_takes_nothing_away)
{
	fresh("64");
	for (int i = 0; i < 100; i++)
		marker("n=%d", i);
	char *once = trace_read_file("trace"), *again = trace_read_file("trace");
	EXPECT_TRUE(!strcmp(once, again));
	read_events();
	EXPECT_EQ(event_count("tracing_mark_write"), 100);
	free(once);
	free(again);
	put_back();
}

TEST(pieces_of_any_size_make_up_the_same_text)
{
	fresh("64");
	for (int i = 0; i < 150; i++)
		marker("n=%d %.*s", i, i, "..................................................................................."
			"....................................................................................................");
	char *whole = trace_read_file("trace");
	size_t length = strlen(whole), sizes[] = { 1, 7, 100, 1000, 5000 };
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		char *pieces = malloc(length + 10000);
		size_t n = 0;
		ssize_t got;
		int fd = OK(open(trace_path("trace"), O_RDONLY | O_CLOEXEC));
		while (n < length + 5000 && (got = read(fd, pieces + n, sizes[s])) > 0)
			n += got;
		EXPECT_EQ(n, length);
		EXPECT_EQ(memcmp(pieces, whole, length), 0);
		/* And from the start once more. */
		EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
		EXPECT_EQ(read(fd, pieces, 13), 13);
		EXPECT_EQ(memcmp(pieces, whole, 13), 0);
		close(fd);
		free(pieces);
	}
	free(whole);
	put_back();
}

TEST(truncating_trace_clears_it)
{
	fresh("64");
	marker("before");
	EXPECT_EQ(trace_write("trace", "\n"), 0);
	marker("after");
	read_events();
	EXPECT_EQ(event_count("tracing_mark_write"), 1);
	EXPECT_TRUE(strstr(event_line("tracing_mark_write", 0), "after") != NULL);
	/* Appending clears nothing. */
	EXPECT_EQ(trace_append("trace", "\n"), 0);
	read_events();
	EXPECT_EQ(event_count("tracing_mark_write"), 1);
	put_back();
}

/* ---- trace_pipe ---- */

TEST(trace_pipe_consumes)
{
	char text[4000];
	ssize_t n;
	int fd;

	fresh("64");
	fd = OK(open(trace_path("trace_pipe"), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	EXPECT_ERR(read(fd, text, sizeof(text)), EAGAIN);
	marker("one");
	n = OK(read(fd, text, sizeof(text) - 1));
	text[n] = 0;
	EXPECT_TRUE(strstr(text, ": tracing_mark_write: one\n") != NULL);
	EXPECT_TRUE(text[0] != '#');
	EXPECT_ERR(read(fd, text, sizeof(text)), EAGAIN);
	read_events();
	EXPECT_EQ(event_count("tracing_mark_write"), 0);
	marker("two");
	EXPECT_ERR(read(fd, (void *)8, 100), EFAULT);
	close(fd);
	put_back();
}

TEST(trace_pipe_ends_when_tracing_is_off)
{
	char text[4000];
	int fd;

	fresh("64");
	fd = OK(open(trace_path("trace_pipe"), O_RDONLY | O_CLOEXEC));
	marker("last words");
	EXPECT_GE(read(fd, text, sizeof(text)), 1);
	EXPECT_EQ(trace_write("tracing_on", "0"), 0);
	EXPECT_EQ(read(fd, text, sizeof(text)), 0);
	close(fd);
	put_back();
}

TEST(trace_pipe_waits_for_the_next_record)
{
	pid_t reader;

	fresh("64");
	for (int round = 0; round < 3; round++) {
		reader = ktap_fork();
		if (!reader) {
			char text[4000];
			int fd = OK(open(trace_path("trace_pipe"), O_RDONLY | O_CLOEXEC));
			ssize_t n = OK(read(fd, text, sizeof(text) - 1));
			text[n] = 0;
			EXPECT_TRUE(strstr(text, "wake up") != NULL);
			ktap_exit();
		}
		EXPECT_TRUE(ktap_asleep(reader));
		marker("wake up");
		EXPECT_CHILD(reader);
	}
	/* A signal ends the wait. */
	reader = ktap_fork();
	if (!reader) {
		char text[100];
		int fd = OK(open(trace_path("trace_pipe"), O_RDONLY | O_CLOEXEC));
		EXPECT_EQ(read(fd, text, sizeof(text)), -2);
		ktap_exit();
	}
	EXPECT_TRUE(ktap_asleep(reader));
	kill(reader, SIGKILL);
	EXPECT_STATUS(reader, KILLED_BY(SIGKILL));
	put_back();
}

TEST(poll_tells_of_records)
{
	char text[4000];
	struct pollfd p;
	pid_t reader;

	fresh("64");
	p = (struct pollfd){ .fd = OK(open(trace_path("trace_pipe"), O_RDONLY | O_NONBLOCK | O_CLOEXEC)), .events = POLLIN };
	EXPECT_EQ(poll(&p, 1, 0), 0);
	reader = ktap_fork();
	if (!reader) {
		EXPECT_EQ(poll(&p, 1, 120000), 1);
		EXPECT_EQ(p.revents, POLLIN);
		ktap_exit();
	}
	EXPECT_TRUE(ktap_asleep(reader));
	marker("hello");
	EXPECT_CHILD(reader);
	EXPECT_EQ(poll(&p, 1, 0), 1);
	EXPECT_GE(read(p.fd, text, sizeof(text)), 1);
	EXPECT_EQ(poll(&p, 1, 0), 0);
	close(p.fd);
	put_back();
}

/* ---- Losing records, and knowing it ---- */

/* Everything left in trace_pipe FD: how many markers, how many it says are lost; they are numbered from FIRST on. */
static void drain(int fd, long first, long *markers, long *lost)
{
	static char text[1 << 16];
	size_t have = 0;
	ssize_t n;

	*markers = *lost = 0;
	while ((n = read(fd, text + have, sizeof(text) - 1 - have)) > 0) {
		char *line = text, *end;
		text[have + n] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			long m, number;
			int cpu;
			*end = 0;
			if (sscanf(line, "CPU:%d [LOST %ld EVENTS]", &cpu, &m) == 2) {
				EXPECT_GT(m, 0);
				EXPECT_LT(m, 1000000);
				*lost += m;
			} else if (strstr(line, " n=") && sscanf(strstr(line, " n="), " n=%ld", &number) == 1) {
				EXPECT_EQ(number, first + *markers + *lost);
				++*markers;
			} else {
				KTAP_FAIL("# no marker: %s", line);
			}
		}
		have = strlen(line);
		memmove(text, line, have);
	}
	EXPECT_EQ(errno, EAGAIN);
}

TEST(lost_records_are_counted_exactly)
{
	long total = ktap_scale(4000) + 600, markers, lost, entries;
	int fd;

	fresh("16");
	go_to_cpu(0);
	EXPECT_EQ(trace_write("trace", ""), 0);
	fd = OK(open(trace_path(cpu_file(0, "trace_pipe")), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	for (long i = 0; i < total; i++)
		marker("n=%ld %.*s", i, (int)(i % 60), "                                                              ");
	EXPECT_GT(cpu_stat(0, "overrun"), 0);
	entries = cpu_stat(0, "entries");
	EXPECT_EQ(entries + cpu_stat(0, "overrun"), total);
	EXPECT_EQ(cpu_stat(0, "dropped events"), 0);
	drain(fd, 0, &markers, &lost);
	EXPECT_GT(markers, 50);
	EXPECT_EQ(markers, entries);
	EXPECT_EQ(markers + lost, total);
	EXPECT_EQ(cpu_stat(0, "overrun"), lost);
	EXPECT_EQ(cpu_stat(0, "read events"), markers);
	EXPECT_EQ(cpu_stat(0, "entries"), 0);
	/* Once more, from where it stopped. */
	for (long i = 0; i < 10; i++)
		marker("n=%ld", total + i);
	drain(fd, total, &markers, &lost);
	EXPECT_EQ(markers, 10);
	EXPECT_EQ(lost, 0);
	close(fd);
	put_back();
}

/* A reader stands still in the middle of a copy; meanwhile the ring is written all over, several times. */
TEST(a_copy_that_the_writer_overtakes_is_thrown_away)
{
	long markers, lost;
	char text[40];
	pid_t reader;

	if (access(KTAP_CONTROLS "pause", W_OK))
		SKIP("needs pause points");
	fresh("8");
	go_to_cpu(0);
	EXPECT_EQ(trace_write("trace", ""), 0);
	for (long i = 0; i < 3; i++)
		marker("n=%ld", i);
	reader = ktap_fork();
	if (!reader) {
		int fd = OK(open(trace_path(cpu_file(0, "trace_pipe")), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
		snprintf(text, sizeof(text), "arm ring_copy %d once", (int)getpid());
		EXPECT_EQ(ktap_write(KTAP_CONTROLS "pause", text), 0);
		drain(fd, 0, &markers, &lost);
		EXPECT_EQ(markers + lost, 503);
		EXPECT_GE(lost, 3);
		ktap_exit();
	}
	EXPECT_TRUE(ktap_until(strstr(ktap_read(KTAP_CONTROLS "pause"), "ring_copy kind=sleep armed=0 parked=1") != NULL));
	for (long i = 3; i < 503; i++)
		marker("n=%ld %.*s", i, (int)(i % 60), "                                                              ");
	EXPECT_EQ(ktap_write(KTAP_CONTROLS "pause", "release ring_copy"), 0);
	EXPECT_CHILD(reader);
	put_back();
}

/* In `trace` the first record is the oldest that is left, and the numbers in the header say what is missing. */
TEST(trace_shows_the_newest_records)
{
	long total = 1000, first, entries, written;
	char *text;

	fresh("16");
	go_to_cpu(0);
	EXPECT_EQ(trace_write("trace", ""), 0);
	for (long i = 0; i < total; i++)
		marker("n=%ld", i);
	text = trace_read_file("trace");
	EXPECT_EQ(sscanf(strstr(text, "written: "), "written: %ld/%ld", &entries, &written), 2);
	EXPECT_EQ(written, total);
	free(text);
	read_events();
	EXPECT_EQ(event_count("tracing_mark_write"), entries);
	EXPECT_EQ(sscanf(strstr(event_line("tracing_mark_write", 0), "n="), "n=%ld", &first), 1);
	EXPECT_EQ(first, total - entries);
	put_back();
}

TEST(without_overwriting_the_oldest_stay)
{
	long total = 1000, markers, lost;
	int fd;

	fresh("16");
	EXPECT_EQ(trace_write("options/overwrite", "0"), 0);
	EXPECT_TRUE(file_is("options/overwrite", "0\n"));
	EXPECT_TRUE(file_has_line("trace_options", "nooverwrite"));
	go_to_cpu(0);
	EXPECT_EQ(trace_write("trace", ""), 0);
	for (long i = 0; i < total; i++) {
		char text[30];
		snprintf(text, sizeof(text), "n=%ld", i);
		trace_append("trace_marker", text);	/* no room: Linux says EBADF */
	}
	EXPECT_EQ(cpu_stat(0, "overrun"), 0);
	EXPECT_EQ(cpu_stat(0, "entries") + cpu_stat(0, "dropped events"), total);
	fd = OK(open(trace_path(cpu_file(0, "trace_pipe")), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	drain(fd, 0, &markers, &lost);
	EXPECT_GT(markers, 50);
	EXPECT_LT(markers, total);
	close(fd);
	EXPECT_EQ(trace_write("trace_options", "overwrite"), 0);
	EXPECT_TRUE(file_is("options/overwrite", "1\n"));
	put_back();
}

TEST(sizes_of_the_rings)
{
	long total = 0;

	fresh("64");
	for (int cpu = 0; cpu < cpus(); cpu++)
		total += strtol(ktap_read(trace_path(cpu_file(cpu, "buffer_size_kb"))), NULL, 10);
	EXPECT_GE(strtol(ktap_read(trace_path("buffer_size_kb")), NULL, 10), 60);
	EXPECT_EQ(strtol(ktap_read(trace_path("buffer_total_size_kb")), NULL, 10), total);
	EXPECT_EQ(trace_write("buffer_size_kb", "0"), EINVAL);
	EXPECT_EQ(trace_write("buffer_size_kb", "rubbish"), EINVAL);
	/* More than there is. */
	EXPECT_EQ(trace_write("buffer_size_kb", "1000000000"), ENOMEM);
	EXPECT_EQ(strtol(ktap_read(trace_path("buffer_total_size_kb")), NULL, 10), total);
	if (cpus() > 1) {
		EXPECT_EQ(trace_write(cpu_file(0, "buffer_size_kb"), "512"), 0);
		EXPECT_STR(ktap_read(trace_path("buffer_size_kb")), "X\n");
	}
	marker("still working");
	read_events();
	EXPECT_EQ(event_count("tracing_mark_write"), 1);
	put_back();
}

/* ---- Several CPUs at once ---- */

static _Atomic bool stop_threads;
static void *fault_on_cpu(void *arg)
{
	go_to_cpu((int)(long)arg);
	for (long i = 0, n = ktap_scale(1000) + 50; i < n; i++)
		fault_once();
	return NULL;
}

TEST(stamps_never_go_back)
{
	pthread_t threads[MAX_CPUS];
	long long last = 0, of_cpu[MAX_CPUS] = { 0 };
	int n = 0;

	fresh("1408");
	EXPECT_EQ(trace_append("set_event", "exceptions:page_fault_user"), 0);
	for (long cpu = 0; cpu < cpus(); cpu++)
		pthread_create(&threads[cpu], NULL, fault_on_cpu, (void *)cpu);
	for (int cpu = 0; cpu < cpus(); cpu++)
		pthread_join(threads[cpu], NULL);
	EXPECT_EQ(trace_write("tracing_on", "0"), 0);
	read_events();
	for (char *line = trace_text; line && *line; line = strchr(line, '\n') + 1) {
		if (!event_says(line, "page_fault_user"))
			continue;
		long long at = event_time(line);
		int cpu = event_cpu(line);
		ASSERT_GE(cpu, 0);
		ASSERT_TRUE(cpu < cpus());
		EXPECT_GE(at, of_cpu[cpu]);	/* on one CPU, */
		EXPECT_GE(at, last);		/* and in what all of them are merged to */
		of_cpu[cpu] = last = at;
		n++;
	}
	EXPECT_GE(n, cpus() * 50);
	for (int cpu = 0; cpu < cpus(); cpu++)
		EXPECT_GT(of_cpu[cpu], 0);
	put_back();
}

/* A record that can be checked: its sum is that of the bytes before it. */
static unsigned int sum_of(const char *text, size_t n)
{
	unsigned int sum = 17;
	while (n--)
		sum = sum * 31 + (unsigned char)*text++;
	return sum;
}
struct writer { int cpu; long n; };
static void *write_checked(void *arg)
{
	struct writer *w = arg;
	int fd = open(trace_path("trace_marker"), O_WRONLY | O_CLOEXEC);
	unsigned int seed = w->cpu + 1;

	go_to_cpu(w->cpu);
	for (w->n = 0; !stop_threads; w->n++) {
		char text[300];
		int length = snprintf(text, sizeof(text), "w=%d n=%ld ", w->cpu, w->n);
		seed = seed * 1103515245 + 12345;
		for (int i = seed >> 16 & 127; i; i--)
			text[length] = 'a' + (length * 7 + seed) % 26, length++;
		length += snprintf(text + length, sizeof(text) - length, " s=%08x\n", sum_of(text, length));
		if (write(fd, text, length) != length)
			KTAP_FAIL("# marker: %s", strerror(errno));
	}
	close(fd);
	return NULL;
}

struct seen { long next[MAX_CPUS], markers, lost; };
/* One line of trace_pipe: whole, right, and the next of its CPU but for what is said to be lost. */
static void check_line(const char *line, struct seen *s)
{
	const char *text = strstr(line, "w="), *sum = strstr(line, " s=");
	long lost, n;
	int cpu;

	if (sscanf(line, "CPU:%d [LOST %ld EVENTS]", &cpu, &lost) == 2) {
		s->next[cpu] += lost;
		s->lost += lost;
		return;
	}
	ASSERT_TRUE(text && sum && sscanf(text, "w=%d n=%ld ", &cpu, &n) == 2);
	EXPECT_EQ(strtoul(sum + 3, NULL, 16), sum_of(text, sum - text));
	EXPECT_EQ(strlen(sum), 11);
	EXPECT_EQ(event_cpu(line), cpu);
	EXPECT_EQ(n, s->next[cpu]);
	s->next[cpu] = n + 1;
	s->markers++;
}

/* Read FD until it is empty, and in any case ROUNDS times. */
static void check_pipe(int fd, struct seen *s, long rounds)
{
	static char text[1 << 16];
	static size_t have;
	ssize_t n = 0;

	while (rounds-- > 0 || n > 0) {
		char *line = text, *end;
		n = read(fd, text + have, sizeof(text) - 1 - have);
		if (n <= 0)
			continue;
		text[have + n] = 0;
		for (; (end = strchr(line, '\n')) && !ktap_failed; line = end + 1) {
			*end = 0;
			check_line(line, s);
		}
		have = strlen(line);
		memmove(text, line, have);
	}
}

/* Rings so small that they are overwritten all the time, written on every CPU and read at once. */
TEST(records_are_never_torn)
{
	pthread_t threads[MAX_CPUS];
	struct writer w[MAX_CPUS];
	static struct seen s;
	long written = 0;
	int fd;

	fresh("8");
	fd = OK(open(trace_path("trace_pipe"), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	for (int cpu = 0; cpu < cpus(); cpu++) {
		w[cpu].cpu = cpu;
		pthread_create(&threads[cpu], NULL, write_checked, &w[cpu]);
	}
	double end = ktap_now() + 0.02 * ktap_scale(100);
	while (ktap_now() < end && !ktap_failed) {
		check_pipe(fd, &s, 20);
		free(trace_read_file("trace"));		/* a reader that does not consume, in between */
	}
	stop_threads = true;
	for (int cpu = 0; cpu < cpus(); cpu++) {
		pthread_join(threads[cpu], NULL);
		written += w[cpu].n;
	}
	check_pipe(fd, &s, 1);
	EXPECT_EQ(s.markers + s.lost, written);
	EXPECT_GT(s.markers, 0);
	close(fd);
	put_back();
}

/* Clearing, resizing and switching while everybody writes and reads breaks nothing. */
static void *disturb(void *arg)
{
	static const char *const sizes[] = { "8", "64", "20" };
	for (int i = 0; !stop_threads; i++) {
		trace_write("buffer_size_kb", sizes[i % 3]);
		trace_write("trace", "");
		trace_write("options/overwrite", i & 1 ? "1" : "0");
		trace_append("set_event", i & 1 ? "exceptions:*" : "!exceptions:*");
	}
	return NULL;
}

TEST(changing_everything_at_once)
{
	pthread_t threads[4];
	static char text[5000];
	int fd;

	fresh("64");
	fd = OK(open(trace_path("trace_pipe"), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	pthread_create(&threads[0], NULL, disturb, NULL);
	for (long i = 1; i < 4; i++)
		pthread_create(&threads[i], NULL, fault_on_cpu, (void *)(i % cpus()));
	for (long i = 0, n = ktap_scale(500) + 20; i < n; i++) {
		if (read(fd, text, sizeof(text)) < 0)
			EXPECT_EQ(errno, EAGAIN);
		if (i % 8 == 0)
			free(trace_read_file("trace"));
		trace_append("trace_marker", "hello");
	}
	for (int i = 1; i < 4; i++)
		pthread_join(threads[i], NULL);
	stop_threads = true;
	pthread_join(threads[0], NULL);
	close(fd);
	put_back();
	EXPECT_EQ(trace_write("trace", ""), 0);
	marker("still working");
	read_events();
	EXPECT_EQ(event_count("tracing_mark_write"), 1);
}
