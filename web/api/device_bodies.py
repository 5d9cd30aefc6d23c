"""What the API says of devices."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from web.api.bodies import Answer


class ResidentBody(Answer):
    """A model in a device's memory."""

    model: str
    bytes: int


class DeviceBody(Answer):
    """A device that work is done on."""

    id: str
    host: str
    name: str
    title: str
    pool: str
    state: str
    alive: bool
    drain_requested: bool = Field(description="Whether it was asked to take no new jobs.")
    note: str
    memory_total: int
    memory_used: int
    resident: list[ResidentBody]
    job_id: str | None = Field(description="The job that it runs, if it is one of yours.")
    heartbeat_at: datetime


class DevicePath(BaseModel):
    """A device's id, such as `host/cuda:0`."""

    device_id: Annotated[str, Field(max_length=300)]


class DevicesBody(Answer):
    """Every device."""

    devices: list[DeviceBody]
