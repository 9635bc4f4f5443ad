/* ready: see ready.h. */
#include "core/ready.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "base/units.h"

#define HTTP "http://"
#define HTTP_PORT 80

const char *
ready_kind_name(enum ready_kind kind)
{
	static const char *const names[READY_KINDS] = {
	    [READY_EXEC] = "exec",
	    [READY_NOTIFY] = "notify",
	    [READY_FD] = "fd",
	    [READY_TCP] = "tcp",
	    [READY_UNIX] = "unix",
	    [READY_HTTP] = "http",
	    [READY_COMMAND] = "command",
	};

	return names[kind];
}

/* What stands between brackets is an address of IPv6. */
static int
take_host(const char *host, size_t len, int brackets, struct ready_address *a,
    struct err *e)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	a->is_v6 = brackets;
	if (!brackets && len == 9 && memcmp(host, "localhost", 9) == 0) {
		a->host[0] = '\0';
		return 0;
	}
	if (len > 0 && len < sizeof(a->host)) {
		memcpy(a->host, host, len);
		a->host[len] = '\0';
		if (inet_pton(brackets ? AF_INET6 : AF_INET, a->host, bytes) ==
		    1)
			return 0;
	}
	return err_set(e,
	    "'%.*s' is neither 'localhost' nor a numeric address: names are "
	    "not looked up",
	    (int)len, host);
}

static int
take_port(const char *port, size_t len, struct ready_address *a, struct err *e)
{
	char text[8] = "";
	int64_t n;

	if (len < sizeof(text))
		memcpy(text, port, len);
	if (units_parse_int(text, 1, 65535, &n, e) == -1)
		return err_set(
		    e, "'%.*s' is not a port, 1 to 65535", (int)len, port);
	a->port = (int)n;
	return 0;
}

/* HOST[:PORT], len bytes. */
static int
take_named(const char *text, size_t len, struct ready_address *a, struct err *e)
{
	int brackets = len > 0 && *text == '[';
	const char *host = text + brackets, *end;

	a->named = text;
	a->named_len = (int)len;
	end = brackets ? memchr(text, ']', len) : memchr(text, ':', len);
	if (brackets && end == NULL)
		return err_set(e, "no ']' after '['");
	if (end == NULL)
		end = text + len;
	if (take_host(host, (size_t)(end - host), brackets, a, e) == -1)
		return -1;
	end += brackets;
	if (end == text + len)
		return a->port != 0 ? 0 : err_set(e, "no port is named");
	if (*end != ':')
		return err_set(e, "'%.*s' is not HOST:PORT", (int)len, text);
	if (memchr(end + 1, ':', len - (size_t)(end + 1 - text)) != NULL)
		return err_set(e,
		    "'%.*s': an address of IPv6 stands in brackets", (int)len,
		    text);
	return take_port(end + 1, len - (size_t)(end + 1 - text), a, e);
}

static int
check_url(const char *url, struct err *e)
{
	const char *p;

	if (strncmp(url, "https://", 8) == 0)
		return err_set(e,
		    "'%s': https is not spoken; use command: with a program "
		    "that does",
		    url);
	if (strncmp(url, HTTP, strlen(HTTP)) != 0)
		return err_set(e, "'%s' does not begin with http://", url);
	for (p = url; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return err_set(e,
			    "'%s': blanks and what is not ASCII must be "
			    "written as %%XX",
			    url);
	if (strchr(url, '#') != NULL)
		return err_set(
		    e, "'%s': what follows '#' is for browsers", url);
	return 0;
}

static int
take_url(const char *url, struct ready_address *a, struct err *e)
{
	const char *named = url + strlen(HTTP);
	size_t len;

	if (check_url(url, e) == -1)
		return -1;
	len = strcspn(named, "/?");
	if (memchr(named, '@', len) != NULL)
		return err_set(e, "'%s': no user can be named", url);
	a->port = HTTP_PORT;
	a->path = named + len;
	return take_named(named, len, a, e);
}

int
ready_parse_address(enum ready_kind kind, const char *target,
    struct ready_address *a, struct err *e)
{
	*a = (struct ready_address){.path = ""};
	return kind == READY_HTTP ? take_url(target, a, e)
	                          : take_named(target, strlen(target), a, e);
}

static int
check_unix(const char *path, struct err *e)
{
	if (*path != '/')
		return err_set(e, "'%s' is not an absolute path", path);
	if (strlen(path) > READY_UNIX_PATH_MAX)
		return err_set(e,
		    "path of %zu bytes, a socket's has at most %d",
		    strlen(path), READY_UNIX_PATH_MAX);
	return 0;
}

int
ready_check_target(enum ready_kind kind, const char *target, struct err *e)
{
	struct ready_address a;

	if (strlen(target) > READY_TARGET_MAX)
		return err_set(e, "%zu bytes, at most %d are allowed",
		    strlen(target), READY_TARGET_MAX);
	return kind == READY_UNIX ? check_unix(target, e)
	                          : ready_parse_address(kind, target, &a, e);
}
