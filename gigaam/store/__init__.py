"""Where models come from: names, downloads, and files that are read as data."""
