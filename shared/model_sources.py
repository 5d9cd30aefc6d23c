"""Where the files of a model come from.

package:NAME/FOLDER   inside an installed Python package, found without importing it
folder:/ABSOLUTE      a local folder
hub:ORG/NAME          a hub repository at a pinned revision, fetched once
artifact:ID           a zipped model folder that an earlier job made
"""

import hashlib
import re
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from shared.errors import Invalid

_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def local_folder(source: str, revision: str | None) -> Path | None:
    """The folder of a source that is on this machine by nature; None for one that must be fetched.

    Raises:
        Invalid: it is no source, its hub revision is not pinned, or there is no such folder.
    """
    form, _, rest = source.partition(":")
    if form == "package":
        folder = package_folder(rest)
        if folder is None or not folder.is_dir():
            raise Invalid(f"The package folder {rest!r} is not installed here.", code="model_missing", field="source")
        return folder
    if form == "folder":
        folder = Path(rest)
        if not folder.is_absolute() or not folder.is_dir():
            raise Invalid(f"{rest!r} is not the absolute path of a folder.", code="model_missing", field="source")
        return folder
    if form == "hub":
        if not _REPOSITORY.fullmatch(rest):
            raise Invalid("A hub source reads hub:organisation/name.", code="bad_source", field="source")
        if not _COMMIT.fullmatch(revision or ""):
            sentence = "A hub model needs a pinned revision: the 40 hex digits of a commit, since a branch moves."
            raise Invalid(sentence, code="unpinned", field="revision")
        return None
    if form == "artifact":
        return None
    raise Invalid("A source starts with package:, folder:, hub: or artifact:.", code="bad_source", field="source")


def package_folder(path: str) -> Path | None:
    """The folder `package/sub/folder` of an installed package, found without importing the package."""
    package, _, rest = path.partition("/")
    try:
        spec = find_spec(package) if package.isidentifier() else None
    except ValueError:  # a module without a spec, such as __main__
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(spec.submodule_search_locations[0]).resolve()
    folder = (root / rest).resolve()
    return folder if folder.is_relative_to(root) else None


def measure(folder: Path, file: str | None) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a model: of its one file, or of every file in its folder in order of name.

    Raises:
        Invalid: it has no such file.
    """
    digest = hashlib.sha256()
    size = 0
    for path in [folder / file] if file else sorted(each for each in folder.rglob("*") if each.is_file()):
        if not path.is_file():
            raise Invalid(f"{path.name!r} is not in the model's folder.", code="model_missing", field="file")
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
        size += path.stat().st_size
    return size, digest.hexdigest()


def package_version(package: str) -> str | None:
    """The version of the distribution that brings an import package; None where that is not known."""
    try:
        return version(packages_distributions().get(package, [package])[0])
    except PackageNotFoundError:
        return None
