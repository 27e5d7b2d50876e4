"""The recipe of `tiny_ctc` and `tiny_rnnt`: their data and their training (see README.md)."""
