from pathlib import Path
def managed_python(folder: Path): return None
