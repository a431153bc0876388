"""Cameras and network streams as sources that never end: opened, driven, labelled and opened again."""

from streamfuse.capture.camera.open import is_camera, open_camera
from streamfuse.capture.camera.options import CameraOptions
from streamfuse.capture.camera.source import CameraSource
from streamfuse.reports import CameraStatus

__all__ = ["CameraOptions", "CameraSource", "CameraStatus", "is_camera", "open_camera"]
