"""Device choice, tiled prediction, and the pipeline that reads, predicts and writes."""
