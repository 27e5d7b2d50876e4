"""Conversations whose speakers are known, and how answers to "who speaks?" are scored."""
