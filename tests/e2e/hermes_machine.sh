#!/bin/bash
# A machine with a vertical channel of IPC-HERMES-9852, by hand: waits for a supervisory system on PORT, hears its first
# message, describes itself by the bytes of DESCRIPTION, and says whatever is written to DEVICE. What it hears goes to HEARD.
#   hermes_machine.sh PORT DEVICE DESCRIPTION HEARD
while :; do
    socat "pty,raw,echo=0,link=$2" "tcp-listen:$1,bind=127.0.0.1,reuseaddr" &
    until [ -e "$2" ]; do kill -0 $! || exit 1; sleep 0.02; done
    exec 3<>"$2"
    tag=
    until [ "$tag" != "${tag%</Hermes}" ]; do
        IFS= read -r -d '>' -u 3 tag || break
        printf '%s>' "$tag" >>"$4"
    done
    cat "$3" >&3
    cat <&3 >>"$4" 2>/dev/null # ends with an error when the peer has gone
    exec 3>&-
    wait
done
