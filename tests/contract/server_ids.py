"""A second strategy: the server gives the ids, and makes nothing that bears an identifier already."""

from collections.abc import Sequence
from urllib.parse import urlencode

from indexer.model import ResourceKey
from indexer.plan import Action


class ServerIds:
    """POST with ``If-None-Exist``, then PUT under the id that the server gave.

    Source: FHIR R4 (4.0.1) "RESTful API", section 3.1.0.8.1 "conditional create".
    """

    def fhir_id(self, key: ResourceKey, existing: Sequence[str] = ()) -> str | None:
        return existing[0] if len(existing) == 1 else None

    def request(self, action: Action, if_match: str | None) -> dict[str, str]:
        if action.fhir_id is None and action.identifier is None:
            return {"method": "POST", "url": action.key.type}
        if action.fhir_id is None:
            token = f"{action.identifier.system}|{action.identifier.value}"
            return {"method": "POST", "url": action.key.type, "ifNoneExist": urlencode({"identifier": token})}
        request = {"method": "PUT", "url": f"{action.key.type}/{action.fhir_id}"}
        return request if if_match is None else {**request, "ifMatch": f'W/"{if_match}"'}
