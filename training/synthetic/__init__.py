"""Synthetic samples with exact masks: ornament, craquelure, paint loss, camera (RECOGNITION, section 5)."""
