/*
 * replay FILE...: gives each file to a fuzz target, whole, cut off at every
 * byte, and with every byte changed. What the fuzzer has found once is so held
 * by `make check`, without a fuzzer.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define FILE_MAX (1024 * 1024)
#define CHANGED_MAX 4096 /* of larger files, only this much is changed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own size, so that a sanitizer sees what is read past it. */
static void
give(const char *data, size_t size)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void
replay(char *data, size_t size)
{
	static const char others[] = {'\0', '"', '\n', '\xff', '{', '9'};
	size_t i, n = size < CHANGED_MAX ? size : CHANGED_MAX;

	give(data, size);
	for (i = 0; i < n; i++) {
		char was = data[i];

		give(data, i);
		data[i] = others[i % sizeof(others)];
		give(data, size);
		data[i] = was;
	}
}

int
main(int argc, char **argv)
{
	size_t size;
	char *data;
	int fd, i;

	for (i = 1; i < argc; i++) {
		fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		data = fd == -1 ? NULL : fd_read_all(fd, FILE_MAX, &size);
		fd_close(&fd);
		if (data == NULL) {
			perror(argv[i]);
			return 1;
		}
		replay(data, size);
		free(data);
	}
	printf("replay: %d files\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
