/*
 * tests/user/helper/gdb_victim.c - faults at a known address in a known function: what the test of gdb looks at.
 */
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Whoever started us is still on its way to wait for us, or does so. */
static int parent_sleeps(void)
{
	char path[40], state = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)getppid());
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state == 'S';
}

int main(void)
{
	while (!parent_sleeps())
		sched_yield();
	char *page = mmap((void *)VICTIM_ADDRESS, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	printf("1..1\n%s 1 - victim\n", page != MAP_FAILED && victim_caller(page) ? "ok" : "not ok");
	return 0;
}
