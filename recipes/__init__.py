"""How the models inside the package were made. Run from the repository, never installed."""
