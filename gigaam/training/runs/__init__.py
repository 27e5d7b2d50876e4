"""Runs of fine-tuning: Lightning's loop, checkpoints, Ctrl-C, what is shown meanwhile."""
