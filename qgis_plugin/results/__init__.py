"""What the engine made, as layers of QGIS: loaded, styled, grouped, with their provenance."""
