"""Bulk runs: material, speed, memory, ledgers of millions, and runs that are killed."""
