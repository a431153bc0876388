"""Cameras and network streams as sources that never end: opened, driven, labelled and opened again."""

from streamfuse.camera.camera_settings import CameraOptions
from streamfuse.camera.camera_source import CameraSource
from streamfuse.camera.open import is_camera, open_camera
from streamfuse.core.reports import CameraStatus

__all__ = ["CameraOptions", "CameraSource", "CameraStatus", "is_camera", "open_camera"]
