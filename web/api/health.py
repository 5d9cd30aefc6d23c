"""Whether the site works, for machines: health, readiness, metrics."""

from collections.abc import Iterator

from flask import Response
from flask_openapi.blueprint import APIBlueprint
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared import devices, listing
from shared.errors import Unavailable
from web.answers import json_answer
from web.auth import needs, public
from web.site import Site, site

api = APIBlueprint("health", __name__, abp_tags=[{"name": "health"}])


@api.get("/healthz")
@public
def healthz() -> Response:
    """200 while this process answers."""
    return json_answer({"status": "ok"})


@api.get("/readyz")
@public
def readyz() -> Response:
    """200 while jobs can be submitted: the database answers. Redis away is reported, and is no reason to refuse."""
    here = site()
    try:
        here.db.ping()
    except Unavailable as error:
        answer = json_answer({"status": "unavailable", "database": str(error)}, 503)
        answer.headers["Retry-After"] = "1"
        return answer
    redis = "ok" if here.ringer.answers() else "away: jobs start a few seconds late"
    return json_answer({"status": "ok", "database": "ok", "redis": redis})


@api.get("/metrics", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
@needs("admin")
def metrics() -> Response:
    """Figures for Prometheus, drawn from the database, so that every web process says the same."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FromDatabase(site()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _FromDatabase(Collector):
    def __init__(self, here: Site) -> None:
        self._site = here

    def collect(self) -> Iterator[Metric]:
        """The queue, the ended jobs, the devices."""
        live = GaugeMetricFamily("atelier_jobs", "Jobs that wait or run.", labels=["pool", "kind", "state"])
        for depth in listing.depths(self._site.db):
            live.add_metric([depth.pool, depth.kind, depth.state], depth.count)
        yield live
        ended = GaugeMetricFamily("atelier_jobs_ended", "Jobs in the table that have ended.", labels=["kind", "state"])
        for kind, state, count in listing.ended(self._site.db):
            ended.add_metric([kind, state], count)
        yield ended
        alive = GaugeMetricFamily("atelier_device_alive", "1 for a device that reports.", labels=["device", "pool"])
        used = GaugeMetricFamily("atelier_device_memory_used_bytes", "Memory in use.", labels=["device"])
        for device in devices.list_devices(self._site.db):
            alive.add_metric([device.id, device.pool], float(device.alive))
            used.add_metric([device.id], device.memory_used)
        yield from (alive, used)
