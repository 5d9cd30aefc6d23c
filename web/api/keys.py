"""API keys: made, listed, revoked."""

from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from shared import keys, owners
from shared.errors import Forbidden
from shared.keys import Identity, Key, NewKey
from web.answers import json_answer
from web.api.bodies import ProblemBody
from web.api.key_bodies import KeyBody, KeyPath, KeyQuery, KeyRequest, KeysBody, NewKeyBody
from web.auth import identity, needs
from web.site import site

api = APIBlueprint(
    "keys", __name__, url_prefix="/api/keys", abp_tags=[{"name": "keys"}], abp_responses={"4XX": ProblemBody}
)


@api.get("", responses={200: KeysBody})
@needs("keys:write")
def index(query: KeyQuery) -> Response:
    """Your keys, without their secrets; an admin may ask for another owner's."""
    who = identity()
    if query.owner is not None and "admin" not in who.scopes:
        raise Forbidden("Only an admin key may see another owner's keys.", code="admin_only")
    owner_id = who.owner.id if query.owner is None else owners.named(site().db, query.owner).id
    found = keys.list_keys(site().db, owner_id)
    return json_answer({"keys": [_body(key) for key in found]})


@api.post("", responses={201: NewKeyBody})
@needs("keys:write")
def create(body: KeyRequest) -> Response:
    """Make a key; its secret is in this answer and nowhere else. Only an admin gives what it does not have."""
    made = make_for(identity(), body)
    return json_answer(_body(made.key) | {"secret": made.secret}, 201)


@api.delete("/<key_id>", responses={200: KeyBody})
@needs("keys:write")
def revoke(path: KeyPath) -> Response:
    """End a key for good, within a second; an admin may end anybody's."""
    who = identity()
    ended = keys.revoke(site().db, None if "admin" in who.scopes else who.owner.id, path.key_id)
    return json_answer(_body(ended))


def make_for(who: Identity, asked: KeyRequest) -> NewKey:
    """Make a key for whoever asks.

    Raises:
        Forbidden: the key would give more than the one that asks has.
    """
    admin = "admin" in who.scopes
    if not admin and (asked.owner is not None or not set(asked.scopes) <= who.scopes):
        raise Forbidden(
            "A key can give no more than it has. This needs an admin key.", code="admin_only", field="scopes"
        )
    here, owner = site(), who.owner
    if asked.owner is not None:
        owner = owners.ensure(here.db, asked.owner, cap_queued=here.settings.queued_cap)
    return keys.create(
        here.db,
        owner.id,
        asked.label,
        tuple(asked.scopes),
        expires_at=asked.expires_at,
        rate_per_minute=asked.rate_per_minute,
    )


def _body(key: Key) -> dict[str, Any]:
    times = {name: getattr(key, name) for name in ("created_at", "used_at", "expires_at", "revoked_at")}
    return {
        "id": key.id,
        "label": key.label,
        "hint": key.hint,
        "scopes": list(key.scopes),
        "rate_per_minute": key.rate_per_minute,
        **{name: moment.isoformat() if moment else None for name, moment in times.items()},
    }
