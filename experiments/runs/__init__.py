"""One run: its loop, evaluation, folder, state, failures, provenance."""
