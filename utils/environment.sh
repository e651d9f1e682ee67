# shellcheck shell=bash
# The environment of the two commands. Sourced by run_experiments.sh and run_tests.sh in the project's root;
# use_environment sets PYTHON to the Python to run with: that of the active environment where it has all that is
# needed, else that of .venv, made and filled here when it is missing or out of date.

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "error: $*"
  exit 2
}

# Whether "$1" runs and is Python 3.10 or later.
is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }

# Sets PYTHON to the active environment's, if it is suitable; fails if not.
use_active_environment() {
  local prefix lacks
  for prefix in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}"; do
    if [ -z "$prefix" ] || [ "$prefix" -ef .venv ] || ! [ -x "$prefix/bin/python" ]; then continue; fi
    if ! is_recent "$prefix/bin/python"; then
      say "environment: the active $prefix has no Python 3.10 or later; leaving it alone"
    elif lacks=$("$prefix/bin/python" -m utils.system.installation --check); then
      say "environment: the active $prefix"
      PYTHON=$prefix/bin/python
      return 0
    else
      say "environment: the active $prefix lacks ${lacks:-what is needed}; leaving it alone"
    fi
  done
  return 1
}

# Prints the Python to make .venv with: the first that MXNet can live with, else the first from 3.10 on.
find_python() {
  local name version newer="" without_venv=""
  for name in python3 python3.12 python3.11 python3.10 python python3.13 python3.14; do
    version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case $version in 3.[0-9] | [!3]*) continue ;; esac
    if ! "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      without_venv=${without_venv:-$version}
      continue
    fi
    case $version in 3.10 | 3.11 | 3.12)
      echo "$name"
      return 0
      ;;
    esac
    newer=${newer:-$name}
  done
  if [ -n "$newer" ]; then
    echo "$newer"
  elif [ -n "$without_venv" ]; then
    fail "Python $without_venv has no venv module; on Debian and Ubuntu: apt-get install python$without_venv-venv"
  else
    fail "no Python 3.10 or later was found (python3, python3.12, ...); install Python 3.12"
  fi
}

# Sees to it that .venv has a Python that runs, with pip. One that does not run is made anew.
make_venv() {
  local python log=.cache/venv.log
  if is_recent .venv/bin/python; then
    .venv/bin/python -c 'import pip' >/dev/null 2>&1 && return 0
    .venv/bin/python -m ensurepip >"$log" 2>&1 && return 0
  fi
  python=$(find_python) || exit $?
  "$python" -m venv --clear .venv >"$log" 2>&1 || fail "$python -m venv could not make .venv; see $log"
}

use_venv() {
  mkdir -p .cache 2>/dev/null || fail "cannot write to $PWD; the environment and its log go there"
  if command -v flock >/dev/null; then # two commands at once: one installs, the other waits
    exec 9>.cache/install.lock
    flock -n 9 || { say "waiting for another installation into .venv" && flock 9; }
  fi
  make_venv
  PYTHON=$PWD/.venv/bin/python
  "$PYTHON" -m utils.system.installation || exit $?
  exec 9>&-
  say "environment: .venv"
}

# Sets PYTHON, having said which environment it is.
use_environment() { use_active_environment || use_venv; }
