"""HTTP for every edge: one deadline and one size cap per request, and one table of what can go wrong.

The only package that knows requests and urllib3. Redirects are never followed, proxies, cookies and ``.netrc`` are
ignored, and no error text holds a URL, a query or a body: they may name patients.
"""

from __future__ import annotations

from indexer.transport.auth import Auth, basic, bearer
from indexer.transport.response import Response
from indexer.transport.session import Transport

__all__ = ["Auth", "Response", "Transport", "basic", "bearer"]
