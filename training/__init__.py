"""Training, evaluation and data for Craquelure's networks.

Uses `segmentation_core.models` and the vocabulary, never the reverse. Needs torch, torchvision, numpy,
scikit-image (with scipy), pillow and safetensors alone: no GDAL package.
"""
