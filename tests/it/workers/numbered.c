/*
 * numbered NAME DIR PACE [LONG]: writes numbered lines to standard output until
 * TERM, in pieces of odd lengths that end anywhere, and keeps in DIR/NAME.wrote
 * how many bytes and lines the system has taken from it (two 64-bit numbers).
 * Ends with a whole line. PACE: microseconds it rests after a piece, at random
 * up to twice that. LONG: every so many lines one is longer than all buffers.
 *
 * Line i is "NAME i FILL\n"; output.py knows what FILL is.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LONG_BYTES 300000
#define PIECE_MAX 9000

static volatile sig_atomic_t ending;

static void
on_term(int sig)
{
	(void)sig;
	ending = 1;
}

static size_t
make_line(char *out, const char *name, uint64_t i, unsigned long often)
{
	size_t len =
	    (size_t)sprintf(out, "%s %llu ", name, (unsigned long long)i);
	size_t fill =
	    often != 0 && i % often == often - 1 ? LONG_BYTES : i * 7919 % 113;

	memset(out + len, 'a' + (int)(i % 26), fill);
	out[len + fill] = '\n';
	return len + fill + 1;
}

static void
write_all(const char *p, size_t len, volatile uint64_t *wrote)
{
	while (len > 0) {
		ssize_t n = write(1, p, len);

		if (n <= 0)
			continue;
		wrote[0] += (uint64_t)n;
		p += n;
		len -= (size_t)n;
	}
}

int
main(int argc, char **argv)
{
	static char text[2 * LONG_BYTES + 65536];
	struct sigaction sa = {.sa_handler = on_term};
	unsigned int random = (unsigned int)getpid();
	size_t len = 0, piece, pace, often;
	volatile uint64_t *wrote;
	char path[4096];
	uint64_t i;
	int fd;

	if (argc < 4)
		return 2;
	pace = strtoul(argv[3], NULL, 10);
	often = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
	snprintf(path, sizeof(path), "%s/%s.wrote", argv[2], argv[1]);
	fd = open(path, O_RDWR | O_CREAT, 0644);
	if (fd == -1 || ftruncate(fd, 16) == -1)
		return 3;
	wrote = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (wrote == MAP_FAILED)
		return 3;
	sigaction(SIGTERM, &sa, NULL);
	/* A later life goes on where an earlier one has ended. */
	for (i = wrote[1]; !ending;) {
		for (; len < PIECE_MAX; i++)
			len += make_line(text + len, argv[1], i, often);
		random = random * 1103515245 + 12345;
		piece = 1 + (random >> 8) % PIECE_MAX;
		write_all(text, piece, wrote);
		memmove(text, text + piece, len - piece);
		len -= piece;
		if (pace > 0) {
			struct timespec t = {
			    .tv_nsec =
				(long)((random >> 4) % (2 * pace) * 1000)};

			nanosleep(&t, NULL);
		}
	}
	write_all(text, len, wrote);
	wrote[1] = i;
	return 0;
}
