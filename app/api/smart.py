"""Where a token is to be had: `.well-known/smart-configuration` (SMART App Launch 2.2), which every page may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from app.api.access import SCOPES

WELL_KNOWN: Final = "/.well-known/smart-configuration"
ANY_ORIGIN: Final = {"Access-Control-Allow-Origin": "*"}
_V2: Final = ("system/*.rs", "user/*.rs")

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Smart:
    """The organisation's authorization server, as the settings name it; "" for what there is not.

    `is_on` is whether tokens are asked for. `issuer` and `keys` are of the one issuer, where there is just one.
    """

    is_on: bool = False
    token_url: str = ""
    authorize_url: str = ""
    issuer: str = ""

    def configuration(self) -> dict[str, Any]:
        """The discovery document."""
        grants = ["client_credentials"]
        capabilities = [
            "permission-v1",
            "permission-v2",
        ]  # what is honoured here; the rest is the other server's to say
        if self.authorize_url:
            grants.insert(0, "authorization_code")
            capabilities.append("permission-user")
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": self.authorize_url,
            "token_endpoint": self.token_url,
            "grant_types_supported": grants,
            "scopes_supported": [*_V2, *SCOPES],
            "response_types_supported": ["code"] if self.authorize_url else [],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": capabilities,
        }
        return {name: value for name, value in told.items() if value}


@router.get(WELL_KNOWN)
@router.get(f"/fhir{WELL_KNOWN}")
async def smart_configuration(request: Request) -> Response:
    """The endpoints of the authorization server, and the scopes that mean something here."""
    smart: Smart = request.app.state.smart
    if not smart.token_url:
        raise HTTPException(
            404,
            "ELIGO_AUTH_TOKEN_URL is not set, so no authorization server is published."
            if smart.is_on
            else "No authentication is configured: only this machine may call, without a token.",
            ANY_ORIGIN,
        )
    return Response(orjson.dumps(smart.configuration()), headers=ANY_ORIGIN, media_type="application/json")
