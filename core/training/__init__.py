"""Training an encoder: data, objectives, the trainer, its state."""
