"""Synthetic samples with exact masks: ornament, craquelure, paint loss, camera (RECOGNITION, section 5).

`samples` is the whole path, top to bottom. Every module takes `draws.Draws`, one source of randomness per
sample, and works on whole batches: (N, 3, H, W) for pictures, 0-255, and (N, H, W) for planes.
"""
