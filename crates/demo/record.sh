#!/bin/sh
# Records crates/demo/assets/shop.pcap.zst: the shop on loopback, on fixed ports, whole packets.
# Needs root (tcpdump), tcpdump and zstd. Usage: crates/demo/record.sh [SECONDS]
set -eu
cd "$(dirname "$0")"
seconds=${1:-20}
base=8300
shop=$(cargo build --quiet --package overhear-demo --example shop --message-format json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
capture=$(mktemp)
trap 'rm -f "$capture"' EXIT
tcpdump -i lo -s 0 -B 16384 -U -w "$capture" "tcp portrange $base-$((base + 5))" 2>/dev/null &
dump=$!
sleep 1
"$shop" --port "$base" --for "$seconds" >/dev/null
sleep 1
kill "$dump"
wait "$dump" || true
# Through pipes, so that the file is not owned by the user that tcpdump changes to.
zstd -19 --quiet --stdout <"$capture" >assets/shop.pcap.zst
ls -l assets/shop.pcap.zst
