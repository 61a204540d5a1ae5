"""The connection to the engine: another process, in an environment of its own. No Qt, no QGIS."""
