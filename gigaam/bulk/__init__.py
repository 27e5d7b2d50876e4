"""Recognition of whole archives: resumable, on one machine or on a cluster."""
