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

say release uname -r
echo ">>> release $?"

if [ -x /bin/live ]; then
    for module in /modules/*; do
        insmod "$module"
    done
    # Two of the tests need Python or ip-netns; the rest needs nothing but the peer.
    export OVERHEAR_PEER=/bin/peer
    say probes live --test-threads 1 --skip network_namespace --skip silenced_socket
    echo ">>> probes $?"
fi

say doctor overhear doctor
echo ">>> doctor $?"

if grep -qF '[confidentiality]' /sys/kernel/security/lockdown; then
    OVERHEAR_PLAN=syscalls say by-system-calls overhear watch --for 1s --json
    echo ">>> by-system-calls $?"
fi

echo hello > /www/hello
httpd -p 127.0.0.1:8080 -h /www
overhear watch --for 5s --json --port 8080 > /tmp/out 2> /tmp/err &
watch=$!
attempts=0
until grep -q listening /tmp/err || ! kill -0 $watch 2> /dev/null || [ $attempts -gt 300 ]; do
    attempts=$((attempts + 1))
    sleep 0.1
done
wget -q -O /dev/null http://127.0.0.1:8080/hello
wget -q -O /dev/null http://127.0.0.1:8080/absent 2> /dev/null
wait $watch
code=$?
say watch cat /tmp/err /tmp/out
echo ">>> watch $code"

poweroff -f
