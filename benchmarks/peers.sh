#!/usr/bin/env bash
# Other libraries' Mult-VAE beside ours: seconds per epoch, and test metrics under our protocol. Installs RecBole and
# Cornac into environments of their own under .cache/peers (once), leaves the project's environment alone.
#
#   bash benchmarks/peers.sh [--dataset movielens-1m|movielens-100k] [--epochs N] [--check]
#                            [--patience N] [--seed N] [--users N] [--rounds N] [--data_dir DIR]
#
#   bash benchmarks/peers.sh                            the real data to the end, then times at the ML-20M shape
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu bash benchmarks/peers.sh
#                                                       the same, with PyTorch's CPU build where PyPI's brings CUDA
#   bash benchmarks/peers.sh --epochs 5 --users 0       a quick look at the times on the real data
set -euo pipefail
script=$(readlink -f -- "${BASH_SOURCE[0]}") # which may be a link from elsewhere
cd -- "$(dirname -- "$script")/.."

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
exec "$PYTHON" -m benchmarks.peers "$@"
