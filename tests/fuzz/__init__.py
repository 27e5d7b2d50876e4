"""Damaged and odd input, made from a seed: recordings, model files, graphs, answers of servers,
language models and hotwords.

Each is used as a program would use it, in a process that is watched. What counts as a finding: an
exception outside `gigaam.errors`, a crash, more than 20 seconds, more than 1 GB of memory beyond
what the process had after loading, and whatever a kind checks by itself.

    python -m tests.fuzz --seed 1 --seconds 60 --kinds audio,models,graphs,downloads,searches
    python -m tests.fuzz --seed 1 --only audio/57 --keep damaged
"""
