"""Training from random weights in a given time: passes over the data, batches, the loop."""
