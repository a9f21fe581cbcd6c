#!/bin/sh
# Runs a long or destructive command on this host once, whatever becomes of those who ordered it.
#
#   guard run     --mark M [--name N] [--try T] [--fence F] -- COMMAND...   start it, or attach to it: its output, its exit code
#   guard follow  --mark M [--name N]           the same, and never start it
#   guard status  [--mark M]                    who holds the host, which steps and jobs there are
#   guard claim   --mark M [--try T] [--fence F] [--guarded]   hold the host for the run of this mark
#   guard release --mark M [--fence F]          the run is over here
#   guard release --because WHY                 a person says that the run which holds the host is over
#   guard fence   --mark M --fence F            from now on refuse whoever has an older fence
#   guard poll    ... --wait S --from N [-- COMMAND...]   `run` for machines: at most S seconds, output from byte N on;
#                                               without a command it is not begun: so once it runs
#
# A mark is RUN/HOST/STEP; a job is known by mark and name. Called again with the same try it never runs a second time.
# Another try is another decision to run it, and even that attaches while the job still runs.
# Plain sh and essential packages only: in the middle of a release upgrade nothing else can be relied upon.
set -u
mask=$(umask)
umask 077

base=/var/lib/rollout/guard mark='' name=main try='' fence=0 wait=86400 from=0 because='' guarded=no progress=''
BAD_USE=64 NOT_NOW=75 OLD_FENCE=120 HELD=121 UNKNOWN=122 NEVER_BEGAN=123
AT_ONCE=60000  # bytes of output in one answer to a machine
KEPT=90        # days that jobs and steps are kept
slow=30        # seconds that a runner may take to begin

plain() { printf '%s' "$1" | LC_ALL=C tr -c '\040-\176' '?'; }
fail() {
  printf 'guard: %s\n' "$(plain "$2")" >&2
  exit "$1"
}
digest() { printf '%s\n' "$@" | sha256sum | cut -c 1-32; }
boot() { cat /proc/sys/kernel/random/boot_id; }
when() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }
read_or() { cat "$1" 2>/dev/null || printf '%s' "$2"; }

# A file that is whole or not there, after a power cut too.
put() { printf '%s' "$2" >"$1.new" && sync "$1.new" && mv "$1.new" "$1" && sync "${1%/*}"; }

# --- who may -------------------------------------------------------------------------------------------------------------------

# Everything but a job's own progress changes under this lock.
lock() {
  mkdir -p "$base/jobs" "$base/runs" "$base/steps" || fail $NOT_NOW "$base cannot be written"
  exec 9>>"$base/lock"
  flock -w 60 9 || fail $NOT_NOW "another guard has kept $base/lock for a minute"
}
unlock() { exec 9>&-; }

# The newer fence is recorded before anything else; an older one is refused, and so is another run while one holds the host.
admit() {
  seen=$base/runs/$(digest "$run")
  newest=$(read_or "$seen" 0)
  [ "$fence" -ge "$newest" ] ||
    fail $OLD_FENCE "refused: a newer controller of $run has been here (its fence is $newest, this one's $fence)"
  [ "$fence" -eq "$newest" ] || put "$seen" "$fence" || fail $NOT_NOW "the fence cannot be recorded in $base"
  owner=$(read_or "$base/owner" "$run")
  [ "$owner" = "$run" ] ||
    fail $HELD "refused: $(uname -n) is held by run $owner since $(held_since). If that run is over: guard release --because WHY"
}
held_since() { when "$(stat -c %Y "$base/owner")"; }

claim() {
  lock
  admit
  [ -e "$base/owner" ] || put "$base/owner" "$run" || fail $NOT_NOW "the host cannot be claimed in $base"
  step=$base/steps/$(digest "$mark")
  mkdir -p "$step" && put "$step/mark" "$mark" && put "$step/guarded" "$guarded" && put "$step/try" "$try" ||
    fail $NOT_NOW "the step cannot be recorded in $base"
  find "$base/jobs" "$base/steps" -mindepth 1 -maxdepth 1 -mtime +$KEPT -exec rm -rf {} +
}

release() {
  lock
  if [ -z "$because" ]; then
    admit
  elif [ -e "$base/owner" ]; then
    printf '%s released from %s, held since %s: %s\n' "$(when "$(date +%s)")" "$(plain "$(cat "$base/owner")")" \
      "$(held_since)" "$(plain "$because")" >>"$base/released"
  fi
  rm -f "$base/owner" && sync "$base"
}

# --- what a job is -------------------------------------------------------------------------------------------------------------

# state: absent, never-began, running, finished (with its code), rebooted, orphaned or lost. $2: yes if we have its lock ourselves.
look() {
  code=-
  [ -d "$1" ] || { state=absent && return; }
  free=${2:-yes}
  [ $# = 2 ] || flock -n -s "$1/lock" true 2>/dev/null || free=no # the code is written before the lock is let go, so look there first
  if [ -e "$1/code" ]; then state=finished code=$(cat "$1/code")
  elif [ "$free" = no ]; then state=running
  elif [ ! -e "$1/begun" ]; then state=never-began
  elif [ "$(cat "$1/begun")" != "$(boot)" ]; then state=rebooted
  elif lives "$1"; then state=orphaned
  else state=lost
  fi
}

# Whether anything is left in the session of a runner that was killed.
lives() {
  read -r leader its_birth <"$1/session" || : # it ends without a newline
  at=$(birth "$leader")
  [ -z "$at" ] || [ "$at" = "$its_birth" ] || return 1 # another has that number now, so nothing of the old session is left
  cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/.*) //p' |
    awk -v session="$leader" '$4 == session && $1 !~ /[ZX]/ { found = 1 } END { exit !found }'
}
birth() { sed -n '$s/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# In one line, for a person.
told() {
  case $state in
    absent) echo "$name of $mark was never asked for" ;;
    never-began) echo "$name never began" ;;
    running) echo "$name runs" ;;
    finished) echo "$name ended with code $code" ;;
    rebooted) echo "the host rebooted while $name ran: its job is gone, and what it did is not known" ;;
    orphaned) echo "$name runs, but its guard was killed: how it ends will not be known" ;;
    lost) echo "$name was killed together with its guard: what it did is not known" ;;
  esac
}

# --- a job's start -------------------------------------------------------------------------------------------------------------

# Under the lock. 1: it is not to be started, or someone else is at it just now.
start() {
  look "$job"
  if [ "$state" != absent ]; then
    exec 8>>"$job/lock"
    if flock -n 8 && look "$job" yes && may_begin; then exec 8>&-; else exec 8>&- && return 1; fi
  fi
  ticket=$(cat /proc/sys/kernel/random/uuid)
  fresh=$job.new
  rm -rf "$fresh" && mkdir "$fresh" && : >"$fresh/lock" && : >"$fresh/output" && date +%s >"$fresh/asked" &&
    quoted "$@" >"$fresh/argv" && printf '%s' "$mark" >"$fresh/mark" && printf '%s' "$name" >"$fresh/name" &&
    printf '%s' "$try" >"$fresh/try" && printf '%s' "$mask" >"$fresh/mask" && printf '%s' "$progress" >"$fresh/progress" &&
    printf '%s' "$ticket" >"$fresh/ticket" && sync "$fresh"/* "$fresh" && mv "$fresh" "$job" && sync "$base/jobs" ||
    fail $NOT_NOW "the job cannot be recorded in $base"
  launch
}

# As a unit of its own where systemd is: no end of a session reaches it, and a shutdown waits for it for ten minutes.
launch() {
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
    export -p >"$job/environment"
    systemd-run --quiet --collect --no-block --unit="rollout-${job##*/}" --description="$(plain "$name of $mark")" \
      -p KillMode=process -p TimeoutStopSec=600 sh "$me" _job "$job" "$ticket" </dev/null >>"$job/trouble" 2>&1 9>&- && return
    new_ticket || return 0 # it has come all the same
  fi
  # Its output goes to files: a runner with our own would keep the SSH session open, and die of its end.
  setsid -f sh "$me" _job "$job" "$ticket" </dev/null >>"$job/trouble" 2>&1 9>&-
}

# For another runner than the one that was asked for in vain, and that may still come.
new_ticket() {
  exec 8>>"$job/lock"
  flock -n 8 && [ ! -e "$job/begun" ] && ticket=$(cat /proc/sys/kernel/random/uuid) && put "$job/ticket" "$ticket"
  made=$?
  exec 8>&-
  return $made
}

# With its lock in our hands. It goes out of the way in one move: a runner that still comes finds nothing, or another ticket.
may_begin() {
  case $state in
    never-began) ;;
    finished | rebooted | lost) [ "$(cat "$job/try")" != "$try" ] ;;
    *) false ;;
  esac && old=$job.$(cat "$job/ticket") && mv "$job" "$old" && { [ "$state" != never-began ] || rm -rf "$old"; }
}

quoted() {
  for word; do
    printf 'set -- "$@" '
    printf '%s\n' "$word" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/"
  done
}

# The runner: in a session of its own, child of nobody. From `begun` on the command may have had an effect.
run_job() {
  job=$1 ticket=$2
  cd /
  trap '' HUP INT TERM
  exec 8>>"$job/lock"
  flock -w 60 8 || exit
  [ "$(cat "$job/ticket")" = "$ticket" ] && [ ! -e "$job/begun" ] || exit
  if [ -e "$job/environment" ]; then . "$job/environment" && rm "$job/environment"; fi # systemd has given it none
  set --
  . "$job/argv"
  mask=$(cat "$job/mask")
  put "$job/session" "$$ $(birth $$)" && put "$job/begun" "$(boot)" || exit
  (
    trap - HUP INT TERM
    umask "$mask"
    exec 8>&- "$@"
  ) </dev/null >>"$job/output" 2>&1
  code=$?
  until put "$job/ended" "$(date +%s)" && put "$job/code" "$code"; do sleep 5; done # on a full disk it keeps running until there is room
}

# --- following -----------------------------------------------------------------------------------------------------------------

# Starts the job with the command given, if there is one and it may begin, and waits for its end or for `until`.
attend() {
  patience=0 # until when what was launched may take to begin
  while :; do
    look "$job"
    time=$(date +%s)
    case $state in
      running) [ "$time" -lt "$until" ] && { flock -s -w $((until - time)) "$job/lock" true || :; } || return 0 ;;
      orphaned) [ "$time" -lt "$until" ] && sleep 1 || return 0 ;;
      *)
        if [ $# != 0 ] && [ $patience = 0 ] && { absent || [ "$(cat "$job/try")" != "$try" ]; }; then
          lock
          admit
          start "$@" && patience=$((time + slow))
          unlock
          [ $patience != 0 ] || [ "$time" -lt $((until + 60)) ] || fail $NOT_NOW "$name of $mark cannot be begun: something keeps $job/lock"
        elif ! absent || [ "$time" -ge $patience ]; then
          return 0
        fi
        sleep 0.05
        ;;
    esac
  done
}
absent() { [ "$state" = absent ] || [ "$state" = never-began ]; }
over() { [ "$state" != running ] && [ "$state" != orphaned ]; }
size() { [ -e "$job/output" ] && wc -c <"$job/output" || echo 0; }

# For machines: what it is; the last line it wrote, to show that it lives; its output from byte `from` on.
poll() {
  until=$(($(date +%s) + wait))
  [ "$wait" -ge $slow ] || slow=$wait # who asks again starts it again
  attend "$@"
  all=$(size)
  next=$((from + AT_ONCE))
  [ $next -le "$all" ] || next=$all
  printf 'guard %s %s %s %s\n' "$state" "$code" "$next" "$all"
  printf 'last %s\n' "$(plain "$(last_line)")"
  [ "$next" -le "$from" ] || tail -c +$((from + 1)) "$job/output" | head -c $((next - from))
}
last_line() {
  file=$(read_or "$job/progress" '')
  [ -n "$file" ] && [ -e "$file" ] || file=$job/output
  [ ! -e "$file" ] || tail -c 400 "$file" | tr '\r' '\n' | grep . | tail -n 1
}

# For persons.
follow() {
  quiet=$(date +%s)
  while :; do
    until=$(($(date +%s) + 2))
    attend "$@"
    all=$(size)
    if [ "$all" -gt "$from" ]; then
      tail -c +$((from + 1)) "$job/output" | head -c $((all - from))
      from=$all quiet=$(date +%s)
    elif [ $(($(date +%s) - quiet)) -ge 60 ]; then
      quiet=$(date +%s)
      printf 'guard: %s, asked for at %s: %s\n' "$(told)" "$(when "$(cat "$job/asked")")" "$(plain "$(last_line)")" >&2
    fi
    if over; then break; fi
    set -- # attached: when it ends it is not to be begun anew
  done
  [ "$state" != finished ] || exit "$code"
  if absent; then fail $NEVER_BEGAN "$(told)"; else fail $UNKNOWN "$(told)"; fi
}

# One line each, ended by `end`: an answer without it was cut.
status() {
  if [ -e "$base/owner" ]; then printf 'held by %s since %s\n' "$(plain "$(cat "$base/owner")")" "$(held_since)"; else echo 'held by nobody'; fi
  for step in "$base"/steps/*; do
    of "$step" && printf 'step guarded=%s try=%s %s\n' "$(cat "$step/guarded")" "$(cat "$step/try")" "$(plain "$(cat "$step/mark")")"
  done
  for job in "$base"/jobs/*; do
    case $job in *.*) continue ;; esac
    of "$job" || continue
    look "$job"
    name=$(cat "$job/name")
    printf 'job %s try=%s %s: %s\n' "$state" "$(cat "$job/try")" "$(plain "$(cat "$job/mark")")" "$(told)"
  done
  echo end
}
of() { [ -e "$1/mark" ] && { [ -z "$mark" ] || [ "$(cat "$1/mark")" = "$mark" ]; }; }

# --- what is asked -------------------------------------------------------------------------------------------------------------

usage() {
  sed -n 's/^#   //p' "$me" >&2
  exit $BAD_USE
}
number() {
  case $2 in '' | *[!0-9]*) fail $BAD_USE "$1 takes a whole number, not $2" ;; esac
}

me=$(readlink -f "$0")
[ $# -gt 0 ] || usage
act=$1
shift
if [ "$act" = _job ]; then run_job "$@" && exit; fi
while [ $# -gt 0 ]; do
  case $1 in
    --) shift && break ;;
    --guarded) guarded=yes && shift && continue ;;
    --mark | --name | --try | --fence | --wait | --from | --base | --because | --progress) [ $# -gt 1 ] || usage ;;
    *) usage ;;
  esac
  case $1 in
    --mark) mark=$2 ;; --name) name=$2 ;; --try) try=$2 ;; --base) base=$2 ;; --because) because=$2 ;; --progress) progress=$2 ;;
    --fence) number "$1" "$2" && fence=$2 ;; --wait) number "$1" "$2" && wait=$2 ;; --from) number "$1" "$2" && from=$2 ;;
  esac
  shift 2
done
run=${mark%%/*}
base=$(readlink -m "$base")
job=$base/jobs/$(digest "$mark" "$name")
case $name in '' | *[!A-Za-z0-9_-]*) fail $BAD_USE "--name is letters, digits, - and _, not $name" ;; esac
case $act in
  status) [ $# = 0 ] || usage ;;
  release) [ -n "$mark$because" ] || usage ;;
  run) [ -n "$mark" ] && [ $# -gt 0 ] || usage ;;
  poll | follow | claim | fence) [ -n "$mark" ] || usage ;;
  *) usage ;;
esac

case $act in
  poll | run)
    lock
    admit
    unlock
    if [ "$act" = run ]; then follow "$@"; else poll "$@"; fi
    ;;
  follow) follow ;;
  claim) claim ;;
  release) release ;;
  fence) lock && admit ;;
  status) status ;;
esac
