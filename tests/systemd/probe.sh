# Calls a server that the unit listens to, and tells what systemd and the program say: NAME=VALUE, one a line.
exec > /run/probe/said 2>&1
cd /tmp
python3 -m http.server --bind 127.0.0.1 8099 >/dev/null 2>&1 &
for n in $(seq 100); do [ -S /run/overhear/live.sock ] && break; sleep 0.2; done
for n in 1 2 3 4 5; do
  curl -s -o /dev/null --retry 10 --retry-connrefused --retry-delay 1 http://127.0.0.1:8099/here
done
for n in $(seq 50); do
  heard=$(overhear requests --json --socket /run/overhear/live.sock | grep -c '"url.path":"/here"')
  [ "$heard" -ge 5 ] && break
  sleep 0.2
done
echo "heard=$heard"
systemctl show overhear -p SubState,DynamicUser,NRestarts
pid=$(systemctl show overhear -p MainPID --value)
sed -n 's/^\(CapEff\|CapPrm\|CapAmb\|NoNewPrivs\|Seccomp\):\t/\1=/p' "/proc/$pid/status"
echo "user=$(stat -c %U "/proc/$pid")"
echo "state=$(stat -L -c '%a %U' /var/lib/overhear)"
echo "socket=$(stat -c '%a %U' /run/overhear/live.sock)"
token=$(cat /var/lib/overhear/page.token)
echo "page=$(curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" http://127.0.0.1:4327/api/health)"
systemctl stop overhear
systemctl show overhear -p ActiveState,Result,ExecMainStatus
echo "kept=$(overhear endpoints --json --store /var/lib/overhear/overhear.db | grep -o '"requests":[0-9]*')"
