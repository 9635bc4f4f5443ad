/*
 * stamp FILE [COMMAND...]: appends when it got to run to FILE, then executes
 * COMMAND, or sleeps until a signal ends it. The worker of every measurement,
 * svd's or not; with a COMMAND, what takes the time before one. Without any
 * argument it does nothing, as cheaply as a program can.
 *
 * A record is 16 bytes in the machine's own order: u64 CLOCK_MONOTONIC in ns,
 * i32 instance (SVD_INSTANCE, or -1), i32 pid.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct stamp {
	uint64_t ns;
	int32_t instance, pid;
};

int
main(int argc, char **argv)
{
	const char *instance = getenv("SVD_INSTANCE");
	struct stamp s;
	struct timespec t;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &t);
	if (argc < 2)
		return 0;
	s.ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	s.instance = instance == NULL ? -1 : atoi(instance);
	s.pid = (int32_t)getpid();
	fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, &s, sizeof(s)) != sizeof(s)) {
		perror(argv[1]);
		return 1;
	}
	close(fd);
	if (argc == 2)
		for (;;)
			pause();
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
