"""Scripts that make what is committed: pictures, the notebook, pages of the documentation."""
