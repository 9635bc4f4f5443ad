/*
 * dump_python: the stacks that a runtime such as Python's writes by itself, at
 * a signal, into a memfd by whose name it says so: svd-floors(7) has it. See
 * dump_proc.h.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/sys.h"
#include "base/units.h"
#include "supervisor/dump_proc.h"

#define NAME "/memfd:svd-dump:"
#define DELETED " (deleted)"
#define PATH_SIZE 64
#define SIGNAL_SIZE 16
#define ANSWER_MS 1000 /* that one process may take */
#define LOOK_NS 2000000
#define TEXT_MAX 65536
/* A child that has been there for less may be about to execute a program, for
 * which the signal would be its end. */
#define CHILD_AGE_MS 1000

/* A process that offers it. */
struct offer {
	int sig;
	int file; /* the memfd, for reading and writing */
	off_t begin;
	char text[DUMP_TEXT_BYTES]; /* of some file of /proc */
	pid_t tid;                  /* who is to write */
	int masking;                /* threads that block the signal anyway */
};

/* The signal in a memfd's name; 0: it is another's. */
static int
signal_of(const char *link)
{
	char *end;
	long sig;

	if (strncmp(link, NAME, strlen(NAME)) != 0)
		return 0;
	sig = strtol(link + strlen(NAME), &end, 10);
	return strcmp(end, DELETED) == 0 && sig > 0 && sig <= 64 ? (int)sig : 0;
}

/* Only what it seems to be is opened: -1 otherwise. */
static int
open_memfd(int dir, const char *path)
{
	int fd = openat(dir, path, O_PATH | O_CLOEXEC), file = -1;
	char self[PATH_SIZE];
	struct stat st;

	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_nlink == 0) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
		file = open(self, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	}
	fd_close(&fd);
	if (file != -1 && fcntl(file, F_GET_SEALS) == -1)
		fd_close(&file);
	return file;
}

static int
find_offer(const struct dump_proc *p, struct offer *of)
{
	int fd = openat(p->dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	char link[PATH_SIZE];
	struct dirent *d;
	ssize_t n;

	of->file = -1;
	if (dir == NULL) {
		fd_close(&fd);
		return -1;
	}
	while (of->file == -1 && (d = readdir(dir)) != NULL) {
		n = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		of->sig = signal_of(link);
		if (of->sig != 0)
			of->file = open_memfd(dirfd(dir), d->d_name);
	}
	closedir(dir);
	return of->file == -1 ? -1 : 0;
}

static int
has_signal(const char *status, const char *key, int sig)
{
	const char *value = procfs_value(status, key);

	return value != NULL && (strtoull(value, NULL, 16) & SIG_BIT(sig)) != 0;
}

/* Who could write now: the first thread, if it can, or any. */
static void
consider(void *arg, const struct dump_proc *p, pid_t tid)
{
	struct offer *of = arg;
	char path[PATH_SIZE];
	const char *state;

	snprintf(path, sizeof(path), "task/%d/status", (int)tid);
	if (procfs_read(p->dir, path, of->text, sizeof(of->text)) <= 0)
		return;
	if (has_signal(of->text, "SigBlk", of->sig)) {
		of->masking++;
		return;
	}
	state = procfs_value(of->text, "State");
	if (state != NULL && strchr("RSI", *state) != NULL &&
	    (of->tid == 0 || tid == p->pid))
		of->tid = tid;
}

struct looking {
	struct offer *offer;
	int masking, pending;
};

static void
look(void *arg, const struct dump_proc *p, pid_t tid)
{
	struct looking *l = arg;
	struct offer *of = l->offer;
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "task/%d/status", (int)tid);
	if (procfs_read(p->dir, path, of->text, sizeof(of->text)) <= 0)
		return;
	l->masking += has_signal(of->text, "SigBlk", of->sig);
	l->pending += has_signal(of->text, "SigPnd", of->sig) ||
	              has_signal(of->text, "ShdPnd", of->sig);
}

/* It has written, and its handler, in which the signal is blocked, is over. */
static int
is_complete(const struct dump_proc *p, struct offer *of)
{
	struct looking l = {.offer = of};
	struct stat st;

	if (fstat(of->file, &st) == -1 || st.st_size <= of->begin)
		return 0;
	dump_each_thread(p, look, &l);
	return l.pending == 0 && l.masking <= of->masking;
}

static int
wait_for(const struct dump_proc *p, struct offer *of)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	int64_t until = sys_now_ms() + ANSWER_MS;

	if (until > p->until)
		until = p->until;
	while (sys_now_ms() < until) {
		if (is_complete(p, of))
			return 0;
		nanosleep(&pause, NULL);
	}
	return -1;
}

/* What was written since; it is of no use to anybody any more. */
static void
show(struct dump_out *o, struct offer *of)
{
	char *text = malloc(TEXT_MAX + 1);
	ssize_t n;

	if (text == NULL)
		return;
	n = pread(of->file, text, TEXT_MAX, of->begin);
	if (n > 0) {
		text[n] = '\0';
		dump_lines(o, DUMP_INDENT, text);
	}
	free(text);
	fallocate(of->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
	    of->begin + TEXT_MAX);
}

static void
ask(struct dump_out *o, const struct dump_proc *p, struct offer *of)
{
	char name[SIGNAL_SIZE];

	units_signal_name(of->sig, name, sizeof(name));
	of->tid = of->masking = 0;
	dump_each_thread(p, consider, of);
	of->begin = lseek(of->file, 0, SEEK_END);
	if (of->tid == 0) {
		dump_say(o,
		    DUMP_INDENT "none of its threads can take the "
				"signal %s now\n",
		    name);
		return;
	}
	/* Now: who does not catch it dies of it. */
	procfs_read(p->dir, "status", of->text, sizeof(of->text));
	if (!has_signal(of->text, "SigCgt", of->sig)) {
		dump_say(
		    o, DUMP_INDENT "it does not catch %s any more\n", name);
		return;
	}
	if (syscall(SYS_tgkill, p->pid, of->tid, of->sig) == -1)
		return;
	if (wait_for(p, of) == -1)
		dump_say(o, DUMP_INDENT "it has not come to an end of writing "
					"them:\n");
	show(o, of);
}

static int
is_too_young(const struct dump_proc *p)
{
	struct timespec now;
	uint64_t tick = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t start = sys_start_time(p->pid) * 1000 / tick;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return !p->is_main &&
	       start + CHILD_AGE_MS > (uint64_t)now.tv_sec * 1000;
}

void
dump_python(struct dump_out *o, const struct dump_proc *p)
{
	struct offer of;

	if (is_too_young(p) || find_offer(p, &of) == -1)
		return;
	dump_heading(o, p, "stacks, by itself");
	ask(o, p, &of);
	fd_close(&of.file);
}
