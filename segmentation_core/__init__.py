"""Craquelure's engine: from an orthophoto to measured craquelure and paint loss.

Importing this package loads nothing heavy; torch, rasterio and geopandas are imported inside the
operation that needs them.
"""

__version__ = "0.1.0"
