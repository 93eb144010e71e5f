"""What every process shares: shots, patterns, the embedding, the classification."""
