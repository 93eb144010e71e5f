"""Training an encoder: data, what a step shows and how it is judged, its state."""
