"""Speed and memory, measured: each program prints a table and, last, one JSON line."""
