"""The figures of the report, a file each: what it shows, read from the runs, and how it is drawn."""
