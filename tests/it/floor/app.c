/*
 * What the tests preload on a native floor: its constructor does what APP_LOAD
 * names, its functions are workers that report or do one thing.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <svd/worker.h>

extern char **environ;
/* Of svd itself; not of other floors. */
int svd_floor_exception(const char *what, const char *traceback)
    __attribute__((weak));

static int prepared, in_parent, in_child, stop;
static pthread_t thread;
static int has_thread;

/* For who loads it by itself: written to, and not, since it was relocated. */
extern int data_number;
int data_number = 41;
extern char data_zeros[64 << 10];
char data_zeros[64 << 10];
extern const char *const data_words[2];
const char *const data_words[2] = {"one", "two"};

/* --- what the floor does while it loads --- */

static void *
idle(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		usleep(1000);
	return unused;
}

static void
start_thread(void)
{
	stop = 0;
	has_thread = pthread_create(&thread, NULL, idle, NULL) == 0;
}

static void
stop_thread(void)
{
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	if (has_thread)
		pthread_join(thread, NULL);
	has_thread = 0;
}

static void
on_prepare(void)
{
	prepared++;
}

static void
on_parent(void)
{
	in_parent++;
}

static void
on_child(void)
{
	in_child++;
}

static void
floor_ends(void)
{
	dprintf(2, "the floor's atexit handler\n");
}

static void
handler(int sig)
{
	(void)sig;
}

static void
do_exit(void)
{
	exit(7);
}

static void
do_hang(void)
{
	for (;;)
		pause();
}

static void
do_die(void)
{
	raise(SIGTERM);
}

static void
do_half(void)
{
	printf("half a line");
}

static void
do_reserve(void)
{
	mmap(NULL, (size_t)8 << 40, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void
do_subreaper(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* As a library that pauses its threads over a fork. */
static void
do_atfork_thread(void)
{
	pthread_atfork(stop_thread, start_thread, NULL);
}

static void
do_close(void)
{
	close(0);
	close(1);
	close(2);
}

static void
do_close_all(void)
{
	int fd;

	for (fd = 3; fd < 256; fd++)
		close(fd);
}

static void
do_fork(void)
{
	pid_t pid = fork();

	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void
do_ignore(void)
{
	signal(SIGCHLD, SIG_IGN);
}

static void
do_signals(void)
{
	sigset_t some;
	int sig;

	for (sig = 1; sig < 32; sig++)
		signal(sig, sig % 2 ? SIG_IGN : handler);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigprocmask(SIG_BLOCK, &some, NULL);
}

/* Some MiB of it, for measurements. */
static void
do_memory(void)
{
	size_t len = (size_t)atoi(getenv("APP_MIB")) << 20;
	static char *volatile memory;

	memory = malloc(len);
	memset(memory, 1, len);
}

static const struct {
	const char *name;
	void (*act)(void);
} loads[] = {
    {"exit", do_exit},
    {"hang", do_hang},
    {"die", do_die},
    {"half", do_half},
    {"thread", start_thread},
    {"atfork-thread", do_atfork_thread},
    {"subreaper", do_subreaper},
    {"reserve", do_reserve},
    {"close", do_close},
    {"close-all", do_close_all},
    {"fork", do_fork},
    {"ignore", do_ignore},
    {"signals", do_signals},
    {"memory", do_memory},
};

static __attribute__((constructor)) void
load(void)
{
	const char *what = getenv("APP_LOAD");
	size_t i;

	pthread_atfork(on_prepare, on_parent, on_child);
	atexit(floor_ends);
	for (i = 0; what != NULL && i < sizeof(loads) / sizeof(*loads); i++)
		if (strcmp(loads[i].name, what) == 0)
			loads[i].act();
}

int
good_init(void)
{
	printf("init was called\n");
	return 0;
}

int
bad_init(void)
{
	return 3;
}

/* --- workers --- */

int
status(int argc, char **argv)
{
	return argc > 1 ? atoi(argv[1]) : 0;
}

static void
worker_ends(void)
{
	printf("the worker's atexit handler\n");
}

int
leave(int argc, char **argv)
{
	atexit(worker_ends);
	printf("no newline yet; ");
	exit(status(argc, argv));
}

int
nap(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (;;)
		pause();
}

static void
print_signals(void)
{
	struct sigaction sa;
	sigset_t mask;
	int sig;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (sig = 1; sig <= 64; sig++) {
		if (sigismember(&mask, sig) == 1)
			printf("blocked=%d\n", sig);
		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL)
			printf("undefault=%d\n", sig);
	}
}

static void
print_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	char path[64], to[256];
	ssize_t n;

	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%.20s", e->d_name);
		n = readlink(path, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		printf("open=%s %s\n", e->d_name, to);
	}
	closedir(d);
}

int
report(int argc, char **argv)
{
	char text[256] = "", **e;
	mode_t mask = umask(0);
	gid_t groups[64];
	int i, n;

	for (i = 0; i < argc; i++)
		printf("argv=%s\n", argv[i]);
	for (e = environ; *e != NULL; e++)
		printf("env=%s\n", *e);
	prctl(PR_GET_NAME, text);
	printf("comm=%s\n", text);
	printf("cwd=%s\n", getcwd(text, sizeof(text)));
	printf("umask=%03o\n", (unsigned)mask);
	printf("pid=%d\nsid=%d\npgid=%d\nppid=%d\n", getpid(), getsid(0),
	    getpgid(0), getppid());
	printf("uid=%d\ngid=%d\n", getuid(), getgid());
	n = getgroups(64, groups);
	for (i = 0; i < n; i++)
		printf("group=%d\n", groups[i]);
	printf("dumpable=%d\n", prctl(PR_GET_DUMPABLE));
	print_signals();
	print_descriptors();
	return 0;
}

/* Handlers have run once each since before the fork of this worker. */
int
forks(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf(
	    "prepare=%d parent=%d child=%d\n", prepared, in_parent, in_child);
	return 0;
}

/* What the C library and the kernel say of us, on every CPU that is ours. */
int
cpus(int argc, char **argv)
{
	cpu_set_t all, one;
	unsigned int cpu;
	size_t len;
	void *robust = NULL;
	int i;

	(void)argc;
	(void)argv;
	sched_getaffinity(0, sizeof(all), &all);
	for (i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		sched_setaffinity(0, sizeof(one), &one);
		syscall(SYS_getcpu, &cpu, NULL, NULL);
		printf("cpu=%d libc=%d kernel=%u\n", i, sched_getcpu(), cpu);
	}
	syscall(SYS_get_robust_list, 0, &robust, &len);
	printf("robust=%s\n", robust != NULL ? "set" : "none");
	printf("tid=%s\n",
	    gettid() == getpid() && syscall(SYS_gettid) == getpid() ? "own"
								    : "other");
	return 0;
}

int
complain(int argc, char **argv)
{
	char *long_text = malloc(1 << 20);

	(void)argc;
	(void)argv;
	memset(long_text, 'x', (1 << 20) - 1);
	long_text[(1 << 20) - 1] = '\0';
	memcpy(long_text, "first", 5);
	memcpy(long_text + (1 << 20) - 6, "last!", 5);
	if (svd_floor_exception("told\tso", long_text) != 0)
		return 2;
	return 1;
}

/* Nobody reads what we say: it must not hold us up. */
int
flood(int argc, char **argv)
{
	int i, failed = 0;

	(void)argc;
	(void)argv;
	for (i = 0; i < 10000; i++)
		if (svd_floor_exception("again", NULL) == -1 && errno == EAGAIN)
			failed = 1;
	return failed;
}

int
read_data(int argc, char **argv)
{
	const void *data;
	size_t len;

	(void)argc;
	data = svd_data(argv[1], &len);
	if (data == NULL)
		return 1;
	printf("%zu:", len);
	fwrite(data, 1, len, stdout);
	return 0;
}

/* A lock that a thread of the floor's holds over the fork hangs whoever takes
 * it; the C library's own do not. */
int
use_libc(int argc, char **argv)
{
	free(malloc(100000));
	return status(argc, argv);
}
