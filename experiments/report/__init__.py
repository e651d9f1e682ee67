"""The report: every table and figure of the runs in one page, ``python -m experiments.report``."""
