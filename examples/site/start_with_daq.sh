#!/usr/bin/env bash
# Runs specklenn whenever the data acquisition does, unattended and without systemd.
#
#   start_with_daq.sh --run-file FILE -- COMMAND ...
#   start_with_daq.sh --appears PATH -- COMMAND ...
#
# --run-file FILE   holds the number of the current run and nothing else, and is empty
#                   or missing between runs; {run} in COMMAND becomes that number
# --appears PATH    is there while a run goes on: the folder of a run, a shared memory
#
# COMMAND is started when a run begins. It is started again when it fails, after 1, 2,
# 4, ... 60 seconds, and stopped when its run is over. Results are never replaced, so
# let each start have a folder of its own: {start} becomes the time of the start.
#
#   start_with_daq.sh --run-file /daq/run -- mpirun -n 9 specklenn run live.yaml --quiet \
#       --set run.number={run} --set output.folder=output/r{run}-{start}
#
# Exit code 0 of COMMAND means that the run is over, 2 that its configuration is wrong:
# then this script ends too. SIGTERM or SIGINT stop both, cleanly.
#
# PLACE       folder of daq.pid and daq.log (default: here)
# POLL_S      how often to look for a run (1)
# STOP_S      how long COMMAND may take to close its files before it is killed (30)
# PAUSE_S     first pause after a failure (1)
# LONGEST_S   longest pause (60)
set -u

place=${PLACE:-.}
poll_s=${POLL_S:-1}
stop_s=${STOP_S:-30}
pause_s=${PAUSE_S:-1}
longest_s=${LONGEST_S:-60}

fail() {
  echo "start_with_daq.sh: $*" >&2
  exit 2
}

say() {
  echo "$(date '+%F %T') daq: $*" >>"$place/daq.log"
}

# What tells one run from another; nothing where there is none.
current_run() {
  if [ "$kind" = --run-file ]; then
    local number
    number=$(tr -d '[:space:]' 2>/dev/null <"$path") || return 0
    case $number in
      *[!0-9]* | '') ;; # half written, or between two runs
      *) echo $((10#$number)) ;; # without leading zeros
    esac
  else
    stat -c %i "$path" 2>/dev/null
  fi
}

# Wait, but not for longer than a signal takes to arrive.
nap() {
  sleep "$1" 9>&- &
  napping=$!
  wait "$napping"
  napping=''
}

# Two looks, since a file may be half written at the first.
is_over() {
  [ "$(current_run)" != "$run" ] && nap "$poll_s" && [ "$(current_run)" != "$run" ]
}

start() {
  local word words=() now
  now=$(date +%Y%m%d-%H%M%S)
  for word in "${command[@]}"; do
    [ "$kind" = --run-file ] && word=${word//'{run}'/$run}
    words+=("${word//'{start}'/$now}")
  done
  say "starts: ${words[*]}"
  # A session of its own, so that all of it can be stopped, and nothing else.
  setsid "${words[@]}" >>"$place/daq.log" 2>&1 </dev/null &
  child=$!
}

running() {
  [ -n "$child" ] && kill -0 "$child" 2>/dev/null
}

stop() {
  running || return 0
  say "stops process $child"
  kill -TERM "$child"
  local deadline=$((SECONDS + stop_s))
  while running && [ "$SECONDS" -lt "$deadline" ]; do
    sleep 0.1
  done
  if running; then
    say "process $child did not end within $stop_s s and is killed"
  fi
  kill -KILL -- "-$child" 2>/dev/null # ranks that were left behind, too
  wait "$child" 2>/dev/null
  child=''
}

leave() {
  trap '' TERM INT
  [ -n "$napping" ] && kill "$napping" 2>/dev/null
  stop
  say "ends"
  rm -f "$place/daq.pid"
  exit "${1:-0}"
}

# Run COMMAND until its run is over; returns when there is another, or none.
attend() {
  local pause=$pause_s code deadline
  while [ "$(current_run)" = "$run" ]; do
    start
    while running; do
      nap "$poll_s"
      if is_over; then
        say "run $run is over"
        stop
        return
      fi
    done
    wait "$child"
    code=$?
    child=''
    say "run $run: exit code $code"
    case $code in
      0) return ;;
      2 | 126 | 127) leave 2 ;; # wrong configuration, or no such command
    esac
    say "again in $pause s"
    deadline=$((SECONDS + pause))
    while [ "$SECONDS" -lt "$deadline" ] && [ "$(current_run)" = "$run" ]; do
      nap "$poll_s"
    done
    pause=$((2 * pause < longest_s ? 2 * pause : longest_s))
  done
}

if [ $# -lt 4 ] || [ "$3" != -- ]; then
  fail "usage: (--run-file FILE | --appears PATH) -- COMMAND ..."
fi
kind=$1 path=$2
case $kind in
  --run-file | --appears) ;;
  *) fail "$kind: --run-file or --appears expected" ;;
esac
shift 3
command=("$@")
child='' napping='' run='' over=''

mkdir -p "$place" || fail "$place: cannot be made"
# The lock also lasts while a run lives on whose script was killed.
exec 9>>"$place/daq.pid" || fail "$place/daq.pid: cannot be written"
flock -n 9 || fail "$place/daq.pid: another one is at work here, or its run is"
echo $$ >"$place/daq.pid"
trap 'leave 0' TERM INT
say "waits for $path, as process $$"

while true; do
  run=$(current_run)
  if [ -z "$run" ] && [ -n "$over" ]; then
    say "waits for $path again"
    over=''
  elif [ -n "$run" ] && [ "$run" != "$over" ] && ! is_over; then
    say "run $run begins"
    attend
    over=$run
  fi
  nap "$poll_s"
done
