"""Datasets: manifests, the recordings they name, the spelling of their texts.

Training and evaluation stand on it. Nothing in it needs torch.
"""
