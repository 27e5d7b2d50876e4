"""What a bulk run is given: directories, patterns, lists, tables, Lhotse, tar and Parquet files."""

from gigaam.bulk.manifests.held import HeldReader, read_held
from gigaam.bulk.manifests.manifest import Manifest
from gigaam.bulk.manifests.opening import open_manifest

__all__ = ["HeldReader", "Manifest", "open_manifest", "read_held"]
