"""Rasters: where they lie, windows and tiles of them, averaged reads, cloud-optimised output."""
