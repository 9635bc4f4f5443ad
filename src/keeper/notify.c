/* notify: see notify.h. */
#include "keeper/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "ipc/chan.h"
#include "keeper/keeper.h"
#include "keeper/logger.h"
#include "keeper/stop.h"

#define DUE_RELOADING (1U << 0) /* then READY: of two in one the last wins */
#define DUE_READY (1U << 1)
#define DUE_STOPPING (1U << 2)
#define DUE_STATUS (1U << 3)
#define DUE_ALIVE (1U << 4)

#define TEXT_MAX (NOTIFY_STATUS_MAX + 128)
#define USEC_DIGITS 18 /* that surely fit an int64_t */

/* 0: not a number of that kind. */
static int64_t
parse_number(const char *text)
{
	int64_t value = 0;
	size_t i;

	if (text == NULL || strlen(text) > USEC_DIGITS)
		return 0;
	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

void
notify_init(struct notify *n, const char *socket_name,
    const char *watchdog_usec, const char *watchdog_pid)
{
	size_t len = socket_name == NULL ? 0 : strlen(socket_name);

	*n = (struct notify){.fd = -1, .to = {.sun_family = AF_UNIX}};
	/* A path or, with an @, a name without a file. */
	if (len < 2 || len >= sizeof(n->to.sun_path) ||
	    (socket_name[0] != '/' && socket_name[0] != '@'))
		return;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd == -1) {
		log_warn("cannot make a socket to notify: %s", strerror(errno));
		return;
	}
	memcpy(n->to.sun_path, socket_name, len);
	if (socket_name[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (watchdog_pid == NULL || parse_number(watchdog_pid) == getpid())
		n->watchdog = parse_number(watchdog_usec) / 1000;
}

int
notify_is_heard(const struct notify *n)
{
	return n->to_len != 0;
}

void
notify_hear(struct keeper *k, int32_t state, const char *status)
{
	struct notify *n = &k->notify;
	size_t len = strcspn(status, "\n");

	if (n->to_len == 0)
		return;
	if (len > NOTIFY_STATUS_MAX)
		len = NOTIFY_STATUS_MAX;
	memcpy(n->status, status, len);
	n->status[len] = '\0';
	n->due |= DUE_STATUS;
	if (state == NOTIFY_RELOADING)
		n->due = (n->due & ~DUE_READY) | DUE_RELOADING;
	if (state == NOTIFY_READY)
		n->due |= DUE_READY;
	notify_flush(k, sys_now_ms());
}

void
notify_alive(struct keeper *k)
{
	if (k->notify.watchdog > 0)
		k->notify.due |= DUE_ALIVE;
}

/* A stop's phases follow each other, and each may take as long as the largest
 * grace; who waits for the end is told so. */
static void
look_at_stop(struct keeper *k)
{
	struct notify *n = &k->notify;

	if (k->stop == n->stop_told)
		return;
	n->stop_told = k->stop;
	if (k->stop != STOP_NONE)
		n->due |= DUE_STOPPING;
}

static size_t
write_stopping(const struct keeper *k, char *text, size_t size)
{
	int64_t ms = k->grace + KEEPER_LOOK_MS + STOP_CONFIRM_MS +
	             LOGGER_FLUSH_MS + STOP_KILL_ALL_MS;

	return (size_t)snprintf(text, size,
	    "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\n", (long long)ms * 1000);
}

/* In the unit that systemd compares with. */
static size_t
write_reloading(char *text, size_t size)
{
	struct timespec ts = {0, 0};

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (size_t)snprintf(text, size,
	    "RELOADING=1\nMONOTONIC_USEC=%lld\n",
	    (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

/* What goes into the next datagram. */
static void
compose(const struct keeper *k, char text[TEXT_MAX], unsigned int *said)
{
	const struct notify *n = &k->notify;
	size_t len = 0;

	*said = n->due;
	if (n->due & DUE_STOPPING)
		len += write_stopping(k, text, TEXT_MAX);
	else if (n->due & DUE_RELOADING) {
		len += write_reloading(text, TEXT_MAX);
		*said &= ~DUE_READY;
	} else if (n->due & DUE_READY)
		len += (size_t)snprintf(text, TEXT_MAX, "READY=1\n");
	if (n->due & DUE_STATUS)
		len += (size_t)snprintf(
		    text + len, TEXT_MAX - len, "STATUS=%s\n", n->status);
	if (n->due & DUE_ALIVE)
		snprintf(text + len, TEXT_MAX - len, "WATCHDOG=1\n");
}

int
notify_send(struct notify *n, const char *text, int fd)
{
	if (chan_send_to(n->fd, &n->to, n->to_len, text, strlen(text), &fd,
		fd == -1 ? 0 : 1, MSG_DONTWAIT) == 0)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR ||
	    errno == ETOOMANYREFS)
		return -1;
	if (!n->complained)
		log_warn("cannot notify: %s", strerror(errno));
	n->complained = 1;
	return 0;
}

void
notify_flush(struct keeper *k, int64_t now)
{
	struct notify *n = &k->notify;
	char text[TEXT_MAX];
	unsigned int said;

	if (n->to_len == 0)
		return;
	look_at_stop(k);
	/* Who stops does not come back. */
	if (k->stop != STOP_NONE)
		n->due &= ~(DUE_READY | DUE_RELOADING);
	if (now < n->again_at)
		return;
	n->again_at = 0;
	while (n->due != 0) {
		compose(k, text, &said);
		if (notify_send(n, text, -1) == -1) {
			n->again_at = now + NOTIFY_AGAIN_MS;
			return;
		}
		n->due &= ~said;
	}
}

int
notify_is_due(const struct keeper *k)
{
	return k->notify.to_len != 0 && k->notify.due != 0;
}

int64_t
notify_deadline(const struct keeper *k)
{
	return k->notify.again_at;
}
