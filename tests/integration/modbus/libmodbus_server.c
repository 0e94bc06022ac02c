/* A Modbus server made of libmodbus, for tests: every register answers what follows from its address.
 *
 *   libmodbus_server tcp            listens on a free loopback port and prints it
 *   libmodbus_server moving PORTS   listens on so many; after each answer holding registers 0 to 124 are one more; at
 *                                   its end it prints how many requests came over each port
 *   libmodbus_server rtu DEVICE     answers as unit 7 on a serial line (19200 baud, no parity) and prints "ready"
 *
 * Holding register A holds A, input register A 65535 - A, coil A is set when 3 divides A, discrete input A when 5 does.
 * Addresses 0 to 9999 exist. It ends when its standard input does.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES 10000
#define MOVING 125

static modbus_mapping_t *fill(void)
{
    modbus_mapping_t *map = modbus_mapping_new(ADDRESSES, ADDRESSES, ADDRESSES, ADDRESSES);
    for (int at = 0; map != NULL && at < ADDRESSES; at++) {
        map->tab_registers[at] = (uint16_t)at;
        map->tab_input_registers[at] = (uint16_t)(65535 - at);
        map->tab_bits[at] = at % 3 == 0;
        map->tab_input_bits[at] = at % 5 == 0;
    }
    return map;
}

/* 1: a request was answered. 0: go on. -1: this connection is over. */
static int serve_one(modbus_t *context, modbus_mapping_t *map)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int length = modbus_receive(context, query);
    if (length > 0)
        return modbus_reply(context, query, length, map) > 0;
    return length;
}

static int listening(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 20) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        return -1;
    printf("%d ", ntohs(address.sin_port));
    return listener;
}

/* moving: after each answer the first MOVING holding registers are one more. */
static int serve_tcp(modbus_mapping_t *map, int ports, int moving)
{
    modbus_t *context = modbus_new_tcp("127.0.0.1", 1502);
    int owner[FD_SETSIZE] = {0};
    long answered[FD_SETSIZE] = {0};
    fd_set all, listeners;
    FD_ZERO(&all);
    FD_ZERO(&listeners);
    FD_SET(STDIN_FILENO, &all);
    int most = 0;
    for (int port = 0; port < ports; port++) {
        most = listening();
        if (context == NULL || most < 0)
            return 1;
        owner[most] = port;
        FD_SET(most, &all);
        FD_SET(most, &listeners);
    }
    puts("");
    fflush(stdout);
    for (;;) {
        fd_set ready = all;
        if (select(most + 1, &ready, NULL, NULL, NULL) < 0)
            return 1;
        if (FD_ISSET(STDIN_FILENO, &ready)) {
            for (int port = 0; moving && port < ports; port++)
                printf("%ld ", answered[port]);
            return 0;
        }
        for (int at = STDIN_FILENO + 1; at <= most; at++) {
            if (!FD_ISSET(at, &ready))
                continue;
            if (FD_ISSET(at, &listeners)) {
                int fresh = accept(at, NULL, NULL);
                if (fresh < 0)
                    continue;
                FD_SET(fresh, &all);
                owner[fresh] = owner[at];
                most = fresh > most ? fresh : most;
                continue;
            }
            modbus_set_socket(context, at);
            int done = serve_one(context, map);
            if (done > 0) {
                answered[owner[at]]++;
                for (int place = 0; moving && place < MOVING; place++)
                    map->tab_registers[place]++;
            }
            if (done < 0) {
                close(at);
                FD_CLR(at, &all);
            }
        }
    }
}

static int serve_rtu(modbus_mapping_t *map, const char *device)
{
    modbus_t *context = modbus_new_rtu(device, 19200, 'N', 8, 1);
    if (context == NULL || modbus_set_slave(context, 7) || modbus_connect(context)) {
        fprintf(stderr, "%s: %s\n", device, modbus_strerror(errno));
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (int line = modbus_get_socket(context);;) {
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(STDIN_FILENO, &ready);
        FD_SET(line, &ready);
        if (select(line + 1, &ready, NULL, NULL, NULL) < 0 || FD_ISSET(STDIN_FILENO, &ready))
            return 0;
        serve_one(context, map);
    }
}

int main(int count, char **words)
{
    modbus_mapping_t *map = fill();
    if (map == NULL)
        return 1;
    if (count == 2 && strcmp(words[1], "tcp") == 0)
        return serve_tcp(map, 1, 0);
    if (count == 3 && strcmp(words[1], "moving") == 0)
        return serve_tcp(map, atoi(words[2]), 1);
    if (count == 3 && strcmp(words[1], "rtu") == 0)
        return serve_rtu(map, words[2]);
    fputs("usage: libmodbus_server tcp | moving PORTS | rtu DEVICE\n", stderr);
    return 2;
}
