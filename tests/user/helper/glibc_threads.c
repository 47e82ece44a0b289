/*
 * tests/user/helper/glibc_threads.c - static glibc with threads, run by thread.c: clone3 or clone, robust lists, arenas.
 *
 * Prints "glibc ok SUM" and exits with status 7.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int mine;
static long sum;

static void *work(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		char *p = malloc(100 + i);	/* each thread gets an arena of its own */
		memset(p, i, 100 + i);
		mine++;
		pthread_mutex_lock(&lock);
		sum++;
		pthread_mutex_unlock(&lock);
		free(p);
	}
	return (void *)(long)mine;
}

int main(void)
{
	pthread_t t[8];
	long total = 0;
	void *got;

	for (int i = 0; i < 8; i++)
		if (pthread_create(&t[i], NULL, work, NULL))
			return 1;
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &got);
		total += (long)got;
	}
	printf("glibc ok %ld\n", total == sum ? sum : -1);
	return 7;
}
