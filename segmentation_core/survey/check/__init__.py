"""Whether a survey book is whole, and what of it can be repaired."""
