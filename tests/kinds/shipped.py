"""The kinds that Atelier brings along, without those that a test adds."""

import pkgutil
from pathlib import Path

import shared.kinds

FOLDER = Path(shared.kinds.__file__).parent
SHIPPED = sorted(each.name for each in pkgutil.iter_modules([str(FOLDER)]) if not each.name.endswith("params"))
#: Kinds that train, and kinds that make something with a model of the library.
TRAINING = [kind for kind in SHIPPED if kind.startswith("train_")]
_OTHERS = {"check_dataset", "collect_feedback", "search_hyperparameters", *TRAINING}
GENERATING = [kind for kind in SHIPPED if kind not in _OTHERS]
