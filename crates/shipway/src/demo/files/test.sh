#!/usr/bin/env bash
# Checks the service as it will run: started on a free port and asked over HTTP.
set -euo pipefail
check=$1

if [[ $check == config ]]; then
  grep -Eq '^version=v[0-9]+$' web.conf
  echo "web.conf names a version"
  exit 0
fi

ask() { # ask PATH: the status line of the answer
  exec 3<> "/dev/tcp/127.0.0.1/$PORT"
  printf 'GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n' "$1" >&3
  head -n 1 <&3
  exec 3>&-
}

for attempt in 1 2 3 4 5; do
  export PORT=$((20000 + RANDOM % 20000))
  shipway demo-service --config web.conf > service.log 2>&1 &
  service=$!
  trap 'kill "$service" 2>/dev/null || true' EXIT
  while kill -0 "$service" 2>/dev/null && ! grep -q 'listens on port' service.log; do sleep 0.05; done
  kill -0 "$service" 2>/dev/null && break
done

case $check in
  answers) path=/ ;;
  health) path=/healthz ;;
  *) echo "unknown check: $check" >&2; exit 2 ;;
esac
for attempt in $(seq 20); do
  status=$(ask "$path")
  # One answer in a hundred may fail by design; most must not.
  if [[ $status == *" 200 "* ]]; then
    echo "$path answers: $status"
    exit 0
  fi
done
echo "$path never answered 200, last: $status" >&2
exit 1
