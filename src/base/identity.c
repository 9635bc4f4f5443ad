/* identity: see identity.h. */
#include "base/identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"

void
identity_boot(char boot[IDENTITY_BOOT_SIZE])
{
	ssize_t n;
	int fd;

	boot[0] = '\0';
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return;
	n = read(fd, boot, IDENTITY_BOOT_SIZE - 1);
	close(fd);
	boot[n > 0 ? n : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

uint64_t
identity_pidns(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

void
identity_take(pid_t pid, int pidfd, struct identity *id)
{
	id->pidfd_ino = pidfd == -1 ? 0 : sys_pidfd_inode(pidfd);
	id->start_time = id->pidfd_ino == 0 ? sys_start_time(pid) : 0;
}

int
identity_holds(const struct identity *id, pid_t pid, int pidfd)
{
	uint64_t ino = sys_pidfd_inode(pidfd);

	if (id->pidfd_ino != 0 && ino != 0)
		return id->pidfd_ino == ino;
	if (id->start_time != 0)
		return id->start_time == sys_start_time(pid);
	return -1;
}
