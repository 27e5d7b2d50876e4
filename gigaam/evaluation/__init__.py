"""Evaluation: a model's errors on a manifest, counted, with intervals, as reports.

Nothing in it needs torch.
"""
