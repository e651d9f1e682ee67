"""What every program needs of its machine: files, locks, errors, the command line, memory, signals."""
