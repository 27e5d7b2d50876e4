"""Exercises in fine-tuning the tiny models: unknown voices, an unknown language."""
