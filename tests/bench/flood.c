/*
 * flood BYTES COUNT [stay]: writes COUNT pieces of BYTES each to its standard
 * output, one write each, ending in a newline; exits with 0 if all were taken,
 * or sleeps then until a signal ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	size_t size = argc > 2 ? (size_t)atol(argv[1]) : 0, done;
	long count = argc > 2 ? atol(argv[2]) : 0;
	char *piece = malloc(size);
	ssize_t n;

	if (piece == NULL || size == 0)
		return 2;
	memset(piece, 'x', size);
	piece[size - 1] = '\n';
	while (count-- > 0)
		for (done = 0; done < size; done += (size_t)n) {
			n = write(STDOUT_FILENO, piece + done, size - done);
			if (n == -1 && errno != EINTR) {
				perror("flood");
				return 1;
			}
			n = n == -1 ? 0 : n;
		}
	while (argc > 3)
		pause();
	return 0;
}
