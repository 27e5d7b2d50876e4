"""Two exercises in fine-tuning the tiny models: a voice they never heard, a language they lack."""
