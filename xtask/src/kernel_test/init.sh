#!/bin/busybox sh
# Process 1 of a test machine: what overhear says here goes to the serial line, between <<< NAME and >>> NAME CODE.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t securityfs security /sys/kernel/security
ip link set lo up

say() {
    echo "<<< $1"
    shift
    "$@" 2>&1
}

load() {
    for module in /modules/"$1"/*; do
        insmod "$module"
    done
}

# How long and to what: returns when it listens.
listen_to() {
    overhear watch --json --for "$@" > /tmp/out 2> /tmp/err &
    watch=$!
    attempts=0
    until grep -q listening /tmp/err || ! kill -0 $watch 2> /dev/null || [ $attempts -gt 300 ]; do
        attempts=$((attempts + 1))
        sleep 0.1
    done
}

# What it heard, when it has ended.
heard() {
    wait $watch
    code=$?
    say "$1" cat /tmp/err /tmp/out
    echo ">>> $1 $code"
}

say release uname -r
echo ">>> release $?"

if [ -x /bin/live ]; then
    load probes
    # Two of the tests, and one of packets, need Python or ip-netns; the rest needs nothing but the peer.
    export OVERHEAR_PEER=/bin/peer OVERHEAR_PEER_32=/bin/peer-32
    say probes live --test-threads 1 --skip network_namespace --skip silenced_socket
    echo ">>> probes $?"
fi
if [ -x /bin/packets ]; then
    # Emulated, and beside other programs: what is attached in the midst of it takes its time.
    export OVERHEAR_AWHILE=900000
    say packets packets --test-threads 1 --skip packets_that_are_lost
    echo ">>> packets $?"
    export OVERHEAR_DATAGRAMS=/bin/datagrams-peer
    say datagrams datagrams --test-threads 1
    echo ">>> datagrams $?"
fi

say doctor overhear doctor
echo ">>> doctor $?"

if grep -qF '[confidentiality]' /sys/kernel/security/lockdown; then
    OVERHEAR_PLAN=syscalls say by-system-calls overhear watch --for 1s --json
    echo ">>> by-system-calls $?"
fi

echo hello > /www/hello
httpd -p 127.0.0.1:8080 -h /www
listen_to 5s --port 8080
wget -q -O /dev/null http://127.0.0.1:8080/hello
wget -q -O /dev/null http://127.0.0.1:8080/absent 2> /dev/null
heard watch

if [ -d /tls ]; then
    # Go on one port, Debian's OpenSSL on the other; to both end each.
    server 8443 /tls/certificate.pem /tls/key.pem &
    (cd /www && exec openssl s_server -quiet -accept 8444 -cert /tls/certificate.pem -key /tls/key.pem -WWW) &
    until netstat -tln | grep -q :8443 && netstat -tln | grep -q :8444; do
        sleep 0.1
    done
    listen_to 15s --port 8443,8444
    client 8443 --tls
    printf 'GET /hello HTTP/1.0\r\n\r\n' | openssl s_client -quiet -connect 127.0.0.1:8444 > /dev/null 2>&1
    heard tls
fi

if [ -x /bin/ktls ]; then
    # The kernel encrypts. Heard at both ends, and then at the server's alone.
    load tls
    ktls serve 8445 /tls/certificate.pem /tls/key.pem &
    server=$!
    until netstat -tln | grep -q :8445; do
        sleep 0.1
    done
    listen_to 15s --port 8445
    ktls ask 8445 '/sized/large?status=200&size=80000' '/sized/small?status=203&size=34'
    heard ktls
    listen_to 15s --pid $server
    ktls ask 8445 '/sized/large?status=200&size=80000' '/sized/small?status=203&size=34'
    heard ktls-server
    say ktls-kernel cat /proc/net/tls_stat
    echo ">>> ktls-kernel $?"
fi

poweroff -f
