"""The recipe of `tiny_ctc`: its data (here) and its training (see README.md)."""
