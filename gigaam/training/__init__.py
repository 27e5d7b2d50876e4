"""Training: text normalisation, data, augmentation and the loop that makes a model.

Importing this package loads nothing heavy: `gigaam.training.text` needs only the standard library.
"""
