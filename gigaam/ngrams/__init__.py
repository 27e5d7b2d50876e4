"""N-gram language models: trained, written, opened, asked. Numpy alone."""

from gigaam.ngrams.loading import load, shared
from gigaam.ngrams.model import NGramModel, Perplexity
from gigaam.ngrams.training import train

__all__ = ["NGramModel", "Perplexity", "load", "shared", "train"]
