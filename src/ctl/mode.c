/* mode: see mode.h. */
#include "ctl/mode.h"

#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Of the process, as the terminal is: a handler has nothing else to go by. */
static struct termios as_it_was;
static volatile sig_atomic_t is_terminal, now;

static void
crash_cb(int sig)
{
	mode_restore();
	raise(sig); /* reset: it takes effect once we return */
}

int
mode_open(void)
{
	static const int crashes[] = {
	    SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
	struct sigaction a = {
	    .sa_handler = crash_cb, .sa_flags = (int)SA_RESETHAND};
	size_t i;

	is_terminal = tcgetattr(STDIN_FILENO, &as_it_was) == 0;
	for (i = 0; is_terminal && i < sizeof(crashes) / sizeof(*crashes); i++)
		sigaction(crashes[i], &a, NULL);
	return is_terminal;
}

void
mode_set(enum mode mode)
{
	struct termios t = as_it_was;

	if (!is_terminal || now == (int)mode)
		return;
	if (mode == MODE_RAW)
		cfmakeraw(&t);
	else if (mode == MODE_LINES)
		t.c_cc[VEOL] = MODE_DETACH_KEY;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0)
		now = (int)mode;
}

void
mode_restore(void)
{
	if (is_terminal && now != MODE_AS_IT_WAS)
		tcsetattr(STDIN_FILENO, TCSANOW, &as_it_was);
	now = MODE_AS_IT_WAS;
}

void
mode_forget(void)
{
	now = MODE_AS_IT_WAS;
}

enum mode
mode_now(void)
{
	return (enum mode)now;
}

int
mode_window(unsigned int *rows, unsigned int *columns)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == -1 &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1)
		return -1;
	*rows = size.ws_row;
	*columns = size.ws_col;
	return size.ws_row == 0 || size.ws_col == 0 ? -1 : 0;
}
