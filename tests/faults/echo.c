/* An application for tests: `echo PORT` sends back whatever comes on 127.0.0.1:PORT, on a thread for each connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *connection)
{
    int fd = (int)(intptr_t)connection;
    char buffer[16384];
    for (;;) {
        ssize_t got = read(fd, buffer, sizeof buffer), sent = 0;
        while (got > 0 && sent < got) {
            ssize_t now = send(fd, buffer + sent, got - sent, MSG_NOSIGNAL);
            if (now < 0)
                got = -1;
            else
                sent += now;
        }
        if (got <= 0)
            break;
    }
    close(fd);
    return NULL;
}

int main(int count, char **args)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (count != 2 || fd < 0)
        return 2;
    address.sin_port = htons(atoi(args[1]));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 128))
        return 1;
    for (;;) {
        int connection = accept(fd, NULL, NULL);
        pthread_t thread;
        if (connection >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
    }
}
