"""From a class raster to polygons, crack lines and nodes.

`arrays.vectorise` does it for an array in memory. Read in this order: `class_source` and `array_source`
(windows of classes), `thinning` and `skeleton` (centre pixels of one tile), `regions` (labels and outline
corners of one tile), `tile` (all of it for one tile), `stitching` (tiles to whole components), `bands` (the
loop over it all), `graph`, `junctions`, `centring`, `widths`, `tips` and `centrelines` (skeleton to measured,
smooth lines), `polygons` (corners to polygons), `features` (components to table rows), `bridges` (gaps
between cracks), `geopackage` (the file).
"""
