"""Elements, and what is measured in each."""
