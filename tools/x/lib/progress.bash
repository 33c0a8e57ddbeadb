# shellcheck shell=bash
# How the verbs talk to the person who runs them: headings, progress of long steps, errors that name cause and mend.
# Colour only on a terminal. Every long step writes build/logs/NAME.log and shows where it is.

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
  COLOUR_BOLD=$'\e[1m' COLOUR_RED=$'\e[31m' COLOUR_GREEN=$'\e[32m' COLOUR_OFF=$'\e[0m'
else
  COLOUR_BOLD='' COLOUR_RED='' COLOUR_GREEN='' COLOUR_OFF=''
fi

heading() { printf '%s== %s%s\n' "$COLOUR_BOLD" "$*" "$COLOUR_OFF"; }
say() { printf '   %s\n' "$*"; }
success() { printf '%s   %s%s\n' "$COLOUR_GREEN" "$*" "$COLOUR_OFF"; }

# fail CAUSE [MEND]: says what went wrong and what to do about it, and ends the run.
fail() {
  printf '%sx: error: %s%s\n' "$COLOUR_RED" "$1" "$COLOUR_OFF" >&2
  [[ $# -lt 2 ]] || printf '   mend: %s\n' "$2" >&2
  exit 1
}

# at_end COMMAND: what to do when the run ends, however it ends.
AT_END=()
at_end() {
  AT_END+=("$1")
  trap 'for command in "${AT_END[@]}"; do eval "$command"; done' EXIT
}

elapsed() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# try_logged NAME COMMAND...: runs the command with its output in build/logs/NAME.log. On a terminal its last line is
# shown as it changes, elsewhere one line each 20 s. The exit status is the command's.
try_logged() {
  local name=$1 log=build/logs/$1.log start=$SECONDS shown=$SECONDS status=0 line pid
  shift
  mkdir -p build/logs
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  # shellcheck disable=SC2064  # the process of now
  trap "kill $pid 2>/dev/null; wait $pid 2>/dev/null; printf '\nx: stopped\n' >&2; exit 130" INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [[ -t 1 && $((SECONDS - shown)) -ge 1 ]] || ((SECONDS - shown >= 20)); then
      shown=$SECONDS
      line=$(tail -c 400 "$log" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-90 || true)
      if [[ -t 1 ]]; then
        printf '\r\e[K   %s %s  %s' "$name" "$(elapsed $((SECONDS - start)))" "$line"
      else
        printf '   ... %s %s  %s\n' "$name" "$(elapsed $((SECONDS - start)))" "$line"
      fi
    fi
  done
  wait "$pid" || status=$?
  trap - INT TERM
  if [[ -t 1 ]]; then printf '\r\e[K'; fi
  STEP_SECONDS=$((SECONDS - start))
  return "$status"
}

# run_logged NAME COMMAND...: as try_logged; when the command fails, shows the end of its log and ends the run.
run_logged() {
  local status=0
  try_logged "$@" || status=$?
  if ((status == 0)); then
    say "$1: done in $(elapsed "$STEP_SECONDS")"
    return
  fi
  grep -E '(error:|FAILED:|^E: )' "build/logs/$1.log" | head -n 20 >&2 || true
  printf -- '--- the end of build/logs/%s.log\n' "$1" >&2
  tail -n 30 "build/logs/$1.log" >&2
  fail "'$1' failed with exit status $status" "read build/logs/$1.log"
}
