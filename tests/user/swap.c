/*
 * tests/user/swap.c - memory that goes to a disk and comes back (SWAP-*): slots, markers, counters, swapoff.
 *
 * Needs a scratch disk: /dev/ram0, else /dev/vda.
 */
#include "tests/user/large.h"
#include "tests/user/swaparea.h"

TEST(a_page_goes_out_and_comes_back)
{
	const char *disk = swap_on(0);
	char *p = anon(PAGE);
	long out, in;

	fill_pages(p, PAGE);
	out = vmstat("pswpout");
	ASSERT_EQ(page_out(p, PAGE), 1);
	EXPECT_EQ(vmstat("pswpout"), out + 1);
	EXPECT_EQ(status_kb("VmSwap"), 4);
	in = vmstat("pswpin");
	EXPECT_EQ(wrong_pages(p, PAGE, 0), 0);
	if (swap_is_sync(disk))
		EXPECT_EQ(vmstat("pswpin"), in + 1);
	EXPECT_EQ(status_kb("VmSwap"), 0);
	swap_off(disk);
}
