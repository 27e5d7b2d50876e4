"""What is written of results: text, subtitles, tables, whole files."""
