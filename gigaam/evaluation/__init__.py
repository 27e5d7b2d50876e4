"""Evaluation: what a model makes of a manifest's recordings, counted, with intervals, as reports.

Nothing in it needs torch.
"""
