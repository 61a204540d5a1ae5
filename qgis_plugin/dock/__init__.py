"""The panel: survey books, runs, elements, thresholds. It calls algorithms and never repeats their work."""
