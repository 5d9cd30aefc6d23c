"""The devices of the installation."""

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from shared import devices, listing
from shared.errors import NotFound
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.device_bodies import DeviceBody, DevicePath, DevicesBody
from web.auth import identity, needs
from web.site import site

api = APIBlueprint(
    "devices", __name__, url_prefix="/api/devices", abp_tags=[{"name": "devices"}], abp_responses={"4XX": ProblemBody}
)


@api.get("", responses={200: DevicesBody})
@needs("jobs:read")
def index() -> Response:
    """Every device, what it holds in memory, and your job on it."""
    body = {"devices": [_body(device) for device in devices.list_devices(site().db)]}
    return json_answer(body)


@api.post("/<path:device_id>/drain", responses={200: DeviceBody})
@needs("admin")
def drain(path: DevicePath) -> Response:
    """Let a device finish what it runs and take no new jobs, until it is told to take them again."""
    devices.drain(site().db, path.device_id)
    return json_answer(_body(devices.get(site().db, path.device_id)))


@api.post("/<path:device_id>/resume", responses={200: DeviceBody})
@needs("admin")
def resume(path: DevicePath) -> Response:
    """Let a device take jobs again."""
    devices.drain(site().db, path.device_id, wanted=False)
    return json_answer(_body(devices.get(site().db, path.device_id)))


def _body(device: devices.Device) -> dict[str, object]:
    return {
        "id": device.id,
        "host": device.host,
        "name": device.name,
        "title": device.title,
        "pool": device.pool,
        "state": device.state if device.alive else "lost",
        "alive": device.alive,
        "drain_requested": device.drain_requested,
        "note": device.note,
        "memory_total": device.memory_total,
        "memory_used": device.memory_used,
        "resident": [{"model": each.model, "bytes": each.bytes} for each in device.resident],
        "job_id": device.job_id if device.job_id and _mine(device.job_id) else None,
        "heartbeat_at": device.heartbeat_at.isoformat(),
    }


def _mine(job_id: str) -> bool:
    try:
        listing.get(site().db, identity().owner.id, job_id)
    except NotFound:
        return False
    return True
