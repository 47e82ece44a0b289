/*
 * tests/user/trace.c - trace events and the files of /sys/kernel/tracing.
 */
#include "tests/user/trace.h"
#include "tests/user/pages.h"

TEST(a_fault_is_recorded)
{
	start_events("exceptions:page_fault_user");
	limit_events_to(getpid());
	char *p = anon(PAGE);
	trace_write("trace", "");
	*(volatile char *)p = 1;
	read_events();
	char *line = event_line("page_fault_user", 0);
	ASSERT_TRUE(line != NULL);
	EXPECT_EQ(event_number(line, "address"), (long)p);
	EXPECT_EQ(event_pid(line), getpid());
	stop_events();
}
