"""Change between two surveys: registration, cracks, losses, and how sure a difference is."""
