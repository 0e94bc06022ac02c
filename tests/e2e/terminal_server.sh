#!/bin/sh
# A terminal server: what is written to the serial DEVICE goes to whoever is connected to PORT, one peer after the other.
#   terminal_server.sh PORT DEVICE
while :; do
    socat "pty,raw,echo=0,link=$2" "tcp-listen:$1,bind=127.0.0.1,reuseaddr"
done
