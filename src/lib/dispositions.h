/*
 * dispositions: what is done at each signal, remembered and put back as it was,
 * whatever that was. The two signals that the C library keeps for itself are
 * left alone.
 */
#ifndef SVD_LIB_DISPOSITIONS_H
#define SVD_LIB_DISPOSITIONS_H

#define DISPOSITIONS 64

struct dispositions {
	unsigned long of[DISPOSITIONS + 1][4]; /* the kernel's own words */
};

void dispositions_take(struct dispositions *d);
void dispositions_restore(const struct dispositions *d);

#endif
