"""What only reproduces the paper's Table 1."""
