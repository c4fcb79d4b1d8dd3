"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.api import shapes

router = APIRouter(prefix="/health", tags=["Operations"])


@router.get("/live", responses={200: {"model": shapes.Live}}, response_class=JSONResponse)
async def live() -> Response:
    """The process answers; nothing else is asked."""
    return JSONResponse({"status": "live"})


@router.get(
    "/ready",
    responses={200: {"model": shapes.Ready}, 503: {"model": shapes.Ready, "description": "Not yet, or not now"}},
    response_class=JSONResponse,
)
async def ready(request: Request) -> Response:
    """The database answers and is at the newest migration, and the worker processes have started."""
    state = request.app.state
    database = await state.database_state()
    is_ready = database == "current" and state.workers.is_ready
    return JSONResponse(
        {
            "status": "ready" if is_ready else "not-ready",
            "database": database,
            "workers": "ready" if state.workers.is_ready else "starting",
        },
        200 if is_ready else 503,
    )
