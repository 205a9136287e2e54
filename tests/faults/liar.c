/* Preloaded into odyn by tests: shifts its wall clock, and has calls that may wait return EINTR, as a signal handler would.
   Which and how often stands in the file $ODYN_TEST_WORDS, five words of eight bytes that the test writes and reads while
   odyn runs: seconds to shift by, interrupt every so-manieth call, calls, calls interrupted, questions for the time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct words {
    volatile long shift;
    volatile unsigned long every, calls, interrupted, asked;
} *words;

__attribute__((constructor)) static void open_words(void)
{
    const char *path = getenv("ODYN_TEST_WORDS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        words = mapped;
}

static int is_interrupted(void)
{
    if (!words || !words->every || __atomic_add_fetch(&words->calls, 1, __ATOMIC_RELAXED) % words->every)
        return 0;
    __atomic_add_fetch(&words->interrupted, 1, __ATOMIC_RELAXED);
    errno = EINTR;
    return 1;
}

/* Calls on a descriptor in non-blocking mode are never interrupted. */
static int may_wait(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && !(flags & O_NONBLOCK);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int result = syscall(SYS_clock_gettime, id, now);
    if (result == 0 && id == CLOCK_REALTIME && words) {
        now->tv_sec += words->shift;
        __atomic_add_fetch(&words->asked, 1, __ATOMIC_RELAXED);
    }
    return result;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    REAL(poll);
    return timeout != 0 && is_interrupted() ? -1 : real(fds, count, timeout);
}

ssize_t recv(int fd, void *buf, size_t size, int flags)
{
    REAL(recv);
    return is_interrupted() ? -1 : real(fd, buf, size, flags);
}

ssize_t send(int fd, const void *buf, size_t size, int flags)
{
    REAL(send);
    return is_interrupted() ? -1 : real(fd, buf, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    REAL(sendmsg);
    return is_interrupted() ? -1 : real(fd, message, flags);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    REAL(accept4);
    return is_interrupted() ? -1 : real(fd, address, size, flags);
}

ssize_t read(int fd, void *buf, size_t size)
{
    REAL(read);
    return may_wait(fd) && is_interrupted() ? -1 : real(fd, buf, size);
}

ssize_t write(int fd, const void *buf, size_t size)
{
    REAL(write);
    return may_wait(fd) && is_interrupted() ? -1 : real(fd, buf, size);
}

int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    REAL(sigtimedwait);
    return is_interrupted() ? -1 : real(set, info, timeout);
}
