"""Scripts that measure, each printing its own baseline and floor: ``python -m benchmarks.NAME [--check]``."""
