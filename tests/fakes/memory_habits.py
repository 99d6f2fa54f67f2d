"""How the FHIR server in memory behaves where servers differ."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Habits:
    """How a `MemoryTarget` behaves.

    Attributes
    ----------
    refused
        Status by ``Type/id`` of what is refused.
    refuses_whole
        One refused entry spoils its whole Bundle, batches too.
    checks_references
        A reference to something that is not there is refused.
    transaction_limit
        Most entries of a transaction; 0 for none at all.
    max_bytes
        Larger Bundles are too large.
    searches_by_endpoint
        Whether it knows that search parameter.
    stale_status
        Answer to an If-Match of another version; it spoils a transaction whole.
    """

    refused: dict[str, int] = field(default_factory=dict)
    refuses_whole: bool = False
    checks_references: bool = True
    transaction_limit: int | None = None
    max_bytes: int | None = None
    searches_by_endpoint: bool = True
    stale_status: int = 409
