#!/usr/bin/env bash
# The main job: makes the environment, gets and prepares the data, runs a grid of experiments in both frameworks,
# writes results/all_results.csv, prints the comparison and writes the report, results/report/index.html. What is done
# already is not done again.
#
#   bash run_experiments.sh [--grid NAME] [--dataset NAME] [--engines pytorch,mxnet] [--seeds 1,2,3] [--jobs N]
#                           [--dry_run] [--list] [--log_dir DIR] [--data_dir DIR] [--save_results]
#
#   bash run_experiments.sh                     the quick grid, on MovieLens 100K
#   bash run_experiments.sh --list              the grids, each with what it is for
#   bash run_experiments.sh --grid published --dry_run
#                                               the runs of the 2020 study, with hours and memory as estimated
set -euo pipefail
script=$(readlink -f -- "${BASH_SOURCE[0]}") # which may be a link from elsewhere
cd -- "$(dirname -- "$script")"

for argument in "$@"; do
  case $argument in -h | --help)
    sed -n '2,/^set /{s/^# \{0,1\}//p}' "$script"
    exit 0
    ;;
  esac
done

# shellcheck source=utils/environment.sh
source utils/environment.sh
use_environment
exec "$PYTHON" -m experiments.main_job "$@"
