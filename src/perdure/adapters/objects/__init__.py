"""Large content in an object store: S3 and what speaks it, Google Cloud Storage, Azure, a directory."""

from perdure.adapters.objects.opening import open_objects

__all__ = ["open_objects"]
