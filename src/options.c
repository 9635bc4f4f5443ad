/* options: see options.h. */
#include "options.h"

static const struct svd_option options[] = {
    {"background", 'b', NULL, "detach once the fleet runs"},
    {"check", 'n', NULL, "check the fleet file and exit"},
    {"runtime-dir", 'r', "DIR", "where the control socket is"},
    {"quiet", 'q', NULL, "log less"},
    {"verbose", 'v', NULL, "log more"},
    {"version", 'V', NULL, "print the version"},
    {"help", 'h', NULL, "print this"},
};

const struct svd_option *
svd_option_at(size_t i)
{
	return i < sizeof(options) / sizeof(*options) ? &options[i] : NULL;
}
