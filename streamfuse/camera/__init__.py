"""Cameras and network streams as sources that never end: opened, driven, labelled and opened again."""

from streamfuse.camera.open import is_camera, open_camera
from streamfuse.camera.options import CameraOptions
from streamfuse.camera.source import CameraSource
from streamfuse.core.reports import CameraStatus

__all__ = ["CameraOptions", "CameraSource", "CameraStatus", "is_camera", "open_camera"]
