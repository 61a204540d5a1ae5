"""One module per algorithm; each has the name of its verb in the engine."""

from __future__ import annotations

from .compare import CompareAlgorithm
from .doctor import DoctorAlgorithm
from .export import ExportAlgorithm
from .measure import MeasureAlgorithm
from .segment import SegmentAlgorithm
from .survey import SurveyAlgorithm
from .vectorise import VectoriseAlgorithm

__all__ = ["ALGORITHMS"]

ALGORITHMS = (
    SurveyAlgorithm,
    SegmentAlgorithm,
    VectoriseAlgorithm,
    MeasureAlgorithm,
    CompareAlgorithm,
    ExportAlgorithm,
    DoctorAlgorithm,
)
