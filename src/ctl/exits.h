/*
 * exits: svctl's exit statuses, part of its contract; see svctl(8).
 */
#ifndef SVD_CTL_EXITS_H
#define SVD_CTL_EXITS_H

enum svctl_exit {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_AS_WANTED = 3,
	EXIT_UNREACHABLE = 4,
	EXIT_NO_SUCH_NAME = 5,
	EXIT_TIMED_OUT = 6,
	EXIT_REFUSED = 7
};

#endif
