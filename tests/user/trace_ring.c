/*
 * tests/user/trace_ring.c - the rings that trace records go to: lost records are counted, none is torn, time never goes back,
 * and all can be changed while everybody writes and reads.
 */
#include "tests/user/tracefs.h"
#include <pthread.h>

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
	on_cpu(0);
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
	on_cpu(0);
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
	on_cpu(0);
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
	on_cpu(0);
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
	on_cpu((int)(long)arg);
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

	on_cpu(w->cpu);
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
