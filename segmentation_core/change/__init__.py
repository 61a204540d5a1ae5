"""What changed between two surveys of the same painted element."""
