"""The only SQL. `gate` needs the standard library alone: importing this package imports nothing else."""
