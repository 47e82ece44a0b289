/*
 * tests/user/trace.c - the files of /sys/kernel/tracing: what there is, switching events on, readers that consume and readers
 * that do not. The rings behind them: trace_ring.c. What the events say: trace_mm.c.
 *
 * Most records here are markers (trace_marker): their text is ours, so it can be checked.
 */
#include "tests/user/tracefs.h"
#include <sys/vfs.h>

/* ---- What is there ---- */

TEST(the_header_is_that_of_ftrace)
{
	static const char *const lines[] = {
		"# tracer: nop", "#                                _-----=> irqs-off/BH-disabled",
		"#                               / _----=> need-resched",
		"#                              | / _---=> hardirq/softirq",
		"#                              || / _--=> preempt-depth",
		"#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION",
		"#              | |         |   |||||     |         |",
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
		EXPECT_TRUE(strstr(text, "\nformat:\n"
				   "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n") != NULL);
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
