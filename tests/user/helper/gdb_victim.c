/*
 * tests/user/helper/gdb_victim.c - faults at a known address in a known function: what the test of gdb looks at.
 */
#include <stdio.h>
#include <sys/mman.h>

#define VICTIM_ADDRESS 0x5000000000

__attribute__((noinline)) int victim_touch(volatile char *page, int value)
{
	page[0x123] = value;	/* THE FAULT */
	return page[0x123] + 1;
}

__attribute__((noinline)) int victim_caller(char *page)
{
	int got = victim_touch(page, 41);
	return got == 42;
}

int main(void)
{
	char *page = mmap((void *)VICTIM_ADDRESS, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	printf("1..1\n%s 1 - victim\n", page != MAP_FAILED && victim_caller(page) ? "ok" : "not ok");
	return 0;
}
