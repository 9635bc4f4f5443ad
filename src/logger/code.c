/* code: see code.h. */
#include "logger/code.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static int
leave_object(struct dl_phdr_info *info, size_t size, void *page)
{
	uintptr_t mask = *(uintptr_t *)page - 1, from, to;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD ||
		    !(info->dlpi_phdr[i].p_flags & PF_X) ||
		    (info->dlpi_phdr[i].p_flags & PF_W))
			continue;
		from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		to = from + info->dlpi_phdr[i].p_memsz;
		from = (from + mask) & ~mask;
		if (to > from)
			madvise(
			    (void *)from, (to & ~mask) - from, MADV_DONTNEED);
	}
	return 0;
}

void
code_leave(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	dl_iterate_phdr(leave_object, &page);
}
