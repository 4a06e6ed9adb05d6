# Sourced by the scripts beside it. Runs `discover` and go-discover with the same join string
# against the same server, and compares. A script starts a server, calls `same` and `differs`, ends
# with `finish`, and stops by `skip REASON` where it lacks what it needs.
#
# DISCOVER and GO_DISCOVER name the programs; discover is built where it isn't given, go-discover is
# the one that `peers/run` builds. STANDINS is the directory for what a script installs.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
name="$(basename "$0")"
STANDINS="${STANDINS:-$root/target/standins}"
work="$(mktemp -d)"
processes=()
compared=0
failed=0
mkdir -p "$STANDINS"

# Prints why nothing is compared, and exits with 69 (service unavailable).
skip() {
  echo "peers/standins/$name: skipped: $1" >&2
  exit 69
}

cleanup() {
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# Runs a server in the background until the script ends; its output goes to a file.
serve() {
  local log="$1"
  shift
  "$@" >"$work/$log" 2>&1 &
  processes+=($!)
}

# Waits up to a minute until a command succeeds.
wait_until() {
  for _ in $(seq 1 240); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.25
  done
  echo "peers/standins/$name: never succeeded: $*" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

require() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || skip "there is no $program on this machine"
  done
}

if [ -z "${DISCOVER:-}" ]; then
  cargo build --quiet --manifest-path "$root/Cargo.toml" -p discover
  DISCOVER="$root/target/debug/discover"
fi
GO_DISCOVER="${GO_DISCOVER:-$root/target/peers/newest/discover}"
[ -x "$GO_DISCOVER" ] || skip "there is no go-discover; \`peers/run check\` builds it"

# Each prints the addresses, one a line and sorted, then the exit status; a message goes to a file.
ours() {
  local status=0
  "$DISCOVER" addrs "$1" >"$work/ours.out" 2>"$work/ours.err" || status=$?
  tr ' ' '\n' <"$work/ours.out" | sed '/^$/d' | sort
  echo "exit status $status"
}

theirs() {
  local status=0
  timeout 60 "$GO_DISCOVER" -q addrs "$1" >"$work/theirs.out" 2>"$work/theirs.err" || status=$?
  tr ' ' '\n' <"$work/theirs.out" | sed '/^$/d' | sort
  echo "exit status $status"
}

summary() {
  awk '/^exit status/ { status = $0; next } { count++ } END { printf "%d addresses, %s", count, status }' <<<"$1"
}

# same TITLE STRING [EXPECTED]: both give the same addresses (EXPECTED, with the status, if given).
same() {
  local mine other
  mine="$(ours "$2")" other="$(theirs "$2")"
  compared=$((compared + 1))
  if [ "$mine" = "$other" ] && [ "${3:-$mine}" = "$mine" ]; then
    echo "same     $1: $(summary "$mine")"
  else
    failed=$((failed + 1))
    echo "NOT SAME $1: $2"
    diff <(echo "$other") <(echo "$mine") | sed 's/^/         /' || true
    sed 's/^/         ours: /' "$work/ours.err"
    sed 's/^/         go-discover: /' "$work/theirs.err" | head -n 5
  fi
}

# differs TITLE STRING OURS THEIRS REASON: the outputs match these extended regular expressions.
# Each is matched against the addresses, `exit status N` and the message, joined by blanks.
differs() {
  local mine other
  mine="$(ours "$2" | paste -sd ' ') $(paste -sd ' ' "$work/ours.err")"
  other="$(theirs "$2" | paste -sd ' ') $(paste -sd ' ' "$work/theirs.err")"
  compared=$((compared + 1))
  if grep -qE -- "$3" <<<"$mine" && grep -qE -- "$4" <<<"$other"; then
    echo "differs  $1: $5"
  else
    failed=$((failed + 1))
    echo "NOT AS EXPECTED $1: $2"
    echo "         ours ($3): ${mine:0:600}"
    echo "         go-discover ($4): ${other:0:600}"
  fi
}

finish() {
  echo "peers/standins/$name: $compared compared, $failed failed"
  [ "$failed" = 0 ] && [ "$compared" -gt 0 ]
}
