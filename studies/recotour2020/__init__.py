"""Why the frameworks of the study of 2020 differed: its tables, figures and grids."""
