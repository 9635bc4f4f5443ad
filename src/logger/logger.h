/*
 * logger: the role that moves workers' output from where they write it to where
 * it is kept. May be killed at any instruction: whatever it needs is held by
 * the keeper.
 */
#ifndef SVD_LOGGER_LOGGER_H
#define SVD_LOGGER_LOGGER_H

struct logger_options {
	int keeper_fd; /* SEQPACKET to the keeper; taken */
	int log_level;
	const char *runtime_dir; /* or NULL */
};

/* Returns once the fleet has ended and all is where it belongs; its value is
 * the exit status. */
int logger_main(const struct logger_options *o);

#endif
