/*
 * witness DIR KIND [NUMBER] [apart]: a worker that writes down itself what
 * becomes of it, for whoever compares that with what svd says: `make chaos`.
 *
 *	steady		waits
 *	crash MS	lives for up to 2 * MS, ends with a status or signal
 *	once MS		the same, ends with 0
 *	family MS	the same with children, one in a session of its own, who
 *			ignore TERM and stay
 *	flood PACE	writes without end, resting for up to 2 * PACE us
 *			between pieces; to both streams in turn, or apart: two
 *			texts
 *
 * DIR/ID (`web:0`) has its lives, a line for each fact, each one write(2):
 *
 *	born GENERATION PID TICKS
 *	child GENERATION PID TICKS
 *	exit GENERATION STATUS		about to end so; negative: a signal
 *	double|left GENERATION PID	an earlier life, or a child of one, is
 *					still there
 *
 * DIR/ID.GENERATION has a flood's two counts for each stream: bytes that the
 * system has taken, and bytes that it is about to be given. A piece fits into a
 * FIFO's page: it is taken as a whole or not at all.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PIECE_MAX 4096

static volatile sig_atomic_t ending;
static char file[1024];
static unsigned int noise;
static long generation;

struct count {
	volatile uint64_t wrote, trying;
};

struct text {
	char name[sizeof(file) + 1];
	uint64_t line;
	size_t len;
	char bytes[2 * PIECE_MAX];
};

static void
on_term(int sig)
{
	(void)sig;
	ending = 1;
}

static void
note(const char *fmt, ...)
{
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		_exit(120);
	close(fd);
}

/* When pid began, by the clock of /proc; 0: it is gone. */
static unsigned long long
ticks_of(int pid)
{
	char path[64], text[1024], *p;
	unsigned long long ticks = 0;
	FILE *f;
	size_t n;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	if (p == NULL || p[2] == 'Z' || p[2] == 'X')
		return 0;
	for (i = 0, p += 2; i < 19 && p != NULL; i++)
		p = strchr(p + 1, ' ');
	if (p != NULL)
		sscanf(p, "%llu", &ticks);
	return ticks;
}

/* Whoever of an earlier life is still there. */
static void
look_back(void)
{
	unsigned long long ticks;
	char what[16], line[256];
	FILE *f = fopen(file, "re");
	int pid;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%15s %*d %d %llu", what, &pid, &ticks) == 3 &&
		    ticks_of(pid) == ticks && pid != getpid())
			note("%s %ld %d\n",
			    strcmp(what, "born") == 0 ? "double" : "left",
			    generation, pid);
	if (f != NULL)
		fclose(f);
}

static void
be_born(const char *dir)
{
	const char *name = getenv("SVD_WORKER"), *g = getenv("SVD_GENERATION");
	struct sigaction sa = {.sa_handler = on_term};

	if (name == NULL || g == NULL)
		_exit(121);
	sigaction(SIGTERM, &sa, NULL);
	generation = atol(g);
	noise = (unsigned int)getpid();
	snprintf(file, sizeof(file), "%s/%s%s", dir, name,
	    strchr(name, ':') == NULL ? ":0" : "");
	note("born %ld %d %llu\n", generation, getpid(), ticks_of(getpid()));
	look_back();
}

static void
finish(int status)
{
	const struct rlimit none = {0, 0};

	note("exit %ld %d\n", generation, status);
	if (status >= 0)
		_exit(status);
	setrlimit(RLIMIT_CORE, &none);
	signal(-status, SIG_DFL);
	raise(-status);
}

static void
rest(long us)
{
	struct timespec t = {
	    .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	while (!ending && nanosleep(&t, &t) == -1)
		;
}

static long
up_to(long max)
{
	noise = noise * 1103515245 + 12345;
	return max <= 0 ? 0 : (long)(noise >> 4) % max;
}

static void
wait_here(void)
{
	sigset_t term, before;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	while (!ending)
		sigsuspend(&before);
}

/* A child, or with apart one in a session of its own, whose parent is gone. */
static void
have_child(int apart)
{
	signal(SIGCHLD, SIG_IGN);
	if (fork() != 0)
		return;
	signal(SIGTERM, SIG_IGN);
	if (apart) {
		setsid();
		if (fork() != 0)
			_exit(0);
	}
	note("child %ld %d %llu\n", generation, getpid(), ticks_of(getpid()));
	for (;;)
		pause();
}

/* The next piece, of the text that begins anew with each life. */
static void
fill(struct text *t)
{
	char head[sizeof(t->name) + 64];
	size_t n;

	while (t->len < PIECE_MAX) {
		n = (size_t)snprintf(head, sizeof(head), "%s %ld %llu ",
		    t->name, generation, (unsigned long long)t->line);
		memcpy(t->bytes + t->len, head, n);
		memset(t->bytes + t->len + n, 'a' + (int)(t->line % 26),
		    t->line * 7919 % 113);
		t->len += n + t->line * 7919 % 113;
		t->bytes[t->len++] = '\n';
		t->line++;
	}
}

static void
give(int fd, struct text *t, struct count *c, size_t piece)
{
	ssize_t n;

	c->trying = piece;
	do
		n = write(fd, t->bytes, piece);
	while (n == -1);
	c->wrote += (uint64_t)n;
	c->trying = 0;
	t->len -= (size_t)n;
	memmove(t->bytes, t->bytes + n, t->len);
}

static struct count *
counts(void)
{
	char path[sizeof(file) + 32];
	void *c = MAP_FAILED;
	int fd;

	snprintf(path, sizeof(path), "%s.%ld", file, generation);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd != -1 && ftruncate(fd, 2 * sizeof(struct count)) == 0)
		c = mmap(NULL, 2 * sizeof(struct count), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (c == MAP_FAILED)
		_exit(122);
	return c;
}

static void
flood(long pace, int apart)
{
	static struct text texts[2];
	struct count *c = counts();
	int i, fd;

	strcpy(texts[0].name, strrchr(file, '/') + 1);
	strcat(strcpy(texts[1].name, texts[0].name), "!");
	while (!ending) {
		fd = 1 + (int)up_to(2);
		i = apart ? fd - 1 : 0;
		fill(&texts[i]);
		give(fd, &texts[i], &c[i], 1 + (size_t)up_to(PIECE_MAX));
		rest(up_to(2 * pace));
	}
	for (i = 0; i < 2; i++)
		while (texts[i].len > 0)
			give(i + 1, &texts[i], &c[i],
			    texts[i].len < PIECE_MAX ? texts[i].len
						     : PIECE_MAX);
}

int
main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[2] : "";
	long number = argc > 3 ? atol(argv[3]) : 0;

	if (argc < 3)
		return 2;
	be_born(argv[1]);
	if (strcmp(kind, "family") == 0) {
		have_child(0);
		have_child(1);
	}
	if (strcmp(kind, "steady") == 0)
		wait_here();
	else if (strcmp(kind, "flood") == 0)
		flood(number, argc > 4);
	else
		rest(up_to(2000 * number));
	if (ending ||
	    (strcmp(kind, "crash") != 0 && strcmp(kind, "family") != 0))
		finish(0);
	finish(generation % 5 == 0 ? -SIGSEGV : 1 + (int)(generation % 199));
	return 0;
}
