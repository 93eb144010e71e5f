"""What both windows use."""
