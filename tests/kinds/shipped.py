"""The kinds that Atelier brings along, without those that a test adds."""

import pkgutil
from pathlib import Path

import shared.kinds

#: Kinds that make nothing with a model: they have tests of their own.
WITHOUT_MODEL = {"check_dataset"}

FOLDER = Path(shared.kinds.__file__).parent
_FOUND = {each.name for each in pkgutil.iter_modules([str(FOLDER)]) if not each.name.endswith("params")}
SHIPPED = sorted(_FOUND - WITHOUT_MODEL)
