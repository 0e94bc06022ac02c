"""What captures count."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

_CAPTURE = ("capture",)


class CaptureMetrics:
    """On the gateway's registry, by the capture's name. Used on several threads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_: str) -> Counter:
            return Counter(f"lineside_capture_{name}", help_, _CAPTURE, registry=registry)

        self.running = Gauge("lineside_capture_running", "1 while captured", _CAPTURE, registry=registry)
        self.frames = counter("frames", "Frames written")
        self.bytes = counter("bytes", "Bytes written into files, compressed")
        self.missed = counter("missed_frames", "Frames that could not be kept up with: holes in the capture")
        self.left_out = counter("left_out_frames", "Frames left out because they could not be redacted")
        self.deleted = counter("deleted_files", "Old files of a ring that were deleted")
