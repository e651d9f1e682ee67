#!/usr/bin/env bash
# The tests: makes the environment if need be, then runs pytest. Arguments go to pytest:
#
#   bash run_tests.sh                   everything but the slow tests, two files at a time
#   bash run_tests.sh -m slow           the slow ones
#   bash run_tests.sh tests/test_X.py   one file
#   bash run_tests.sh -n 2 --dist loadfile --cov
#                                       everything, with the coverage of lines
#   .venv/bin/python -m pytest --help   what else pytest takes
set -euo pipefail
script=$(readlink -f -- "${BASH_SOURCE[0]}") # which may be a link from elsewhere
cd -- "$(dirname -- "$script")"

case ${1:-} in -h | --help)
  sed -n '2,/^set /{s/^# \{0,1\}//p}' "$script"
  exit 0
  ;;
esac

# shellcheck source=utils/environment.sh
source utils/environment.sh
use_environment
"$PYTHON" -m utils.system.platform
if (($# == 0)); then # a file stays in one process: its tests share what they set up
    set -- --numprocesses 2 --dist loadfile
fi
exec "$PYTHON" -m pytest "$@"
