"""Recognition of whole archives: resumable, on one machine or on a cluster, nothing lost.

    result = gigaam.bulk.run("calls/", "out", model="v3_rnnt")
    for row in gigaam.bulk.rows("out"):
        print(row.id, row.text or row.error)

Manifest → plan → shards → rows: `gigaam.bulk.manifests` reads what there is to do,
`gigaam.bulk.planning` cuts it into shards, `gigaam.bulk.shard` does one, an executor has workers
for them, and `gigaam.bulk.ledger` is all that is written.
"""

from typing import TYPE_CHECKING

from gigaam.lazy import importer

if TYPE_CHECKING:
    from gigaam.bulk.executors import Executor
    from gigaam.bulk.exporting import ExportResult, export
    from gigaam.bulk.local import LocalExecutor
    from gigaam.bulk.reporting import BulkReport, report
    from gigaam.bulk.results import rows
    from gigaam.bulk.row_files import Row
    from gigaam.bulk.running import BulkResult, run

__all__ = [
    "BulkReport",
    "BulkResult",
    "Executor",
    "ExportResult",
    "LocalExecutor",
    "Row",
    "export",
    "report",
    "rows",
    "run",
]

_HOMES = {
    "gigaam.bulk.executors": ("Executor",),
    "gigaam.bulk.exporting": ("ExportResult", "export"),
    "gigaam.bulk.local": ("LocalExecutor",),
    "gigaam.bulk.reporting": ("BulkReport", "report"),
    "gigaam.bulk.results": ("rows",),
    "gigaam.bulk.row_files": ("Row",),
    "gigaam.bulk.running": ("BulkResult", "run"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__getattr__ = importer(__name__, _HOME_OF)
