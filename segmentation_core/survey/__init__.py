"""The survey book: one GeoPackage with everything that was measured and corrected."""
