"""Reads manifests from standard input, one JSON a line, by Istio's models.

Prints a line for each: the fields that the model refuses or does not know, as a JSON list.
"""

import json
import sys

from cloudcoil.models.istio.extensions.v1alpha1 import WasmPlugin
from cloudcoil.models.istio.networking.v1alpha3 import EnvoyFilter
from pydantic import ValidationError

MODELS = {"WasmPlugin": WasmPlugin, "EnvoyFilter": EnvoyFilter}


def lost(written, read, place):
    """Where what the model read is not what was written: it passes over fields that it does not know."""
    if isinstance(written, dict) and isinstance(read, dict):
        for name in written.keys() | read.keys():
            yield from lost(written.get(name), read.get(name), [*place, name])
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for index, (one, other) in enumerate(zip(written, read)):
            yield from lost(one, other, [*place, index])
    elif written != read:
        yield place


for line in sys.stdin:
    manifest = json.loads(line)
    try:
        model = MODELS[manifest["kind"]].model_validate(manifest)
        read = json.loads(model.model_dump_json(by_alias=True, exclude_unset=True))
        wrong = list(lost(manifest, read, []))
    except ValidationError as error:
        wrong = [list(problem["loc"]) for problem in error.errors()]
    print(json.dumps(wrong), flush=True)
