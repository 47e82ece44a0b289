/* tests/user/helper/dynamic.c - a dynamically linked program: exec.c runs it where its loader is in the image. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	char *p = malloc(100000);
	memset(p, 'x', 100000);
	printf("dynamic ok %d %c\n", argc, p[99999]);
	return 7;
}
