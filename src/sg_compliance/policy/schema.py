"""The JSON Schema of the policy document, generated from the models: for editors, and for checks without this package.

What a schema cannot say is left to `parse`: rule ids that stand twice, sources, ports of a protocol, exempted rules
that do not exist.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sg_compliance.policy.document import Document

SCHEMA_NAME: Final = "policy.schema.json"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_OF_THE_USER: Final[dict[str, Any]] = {"^x_": {}}
_OVERRIDE_KEY: Final = "(^|[^0-9])[0-9]{12}$"


def schema_text() -> str:
    """The schema as text: the same text from the same models, with a newline at its end."""
    generated = Document.model_json_schema()
    definitions = {name: _readable(schema) for name, schema in generated.pop("$defs").items()}
    definitions["AccountOverrides"] = _by_pattern(definitions["AccountOverrides"], _OVERRIDE_KEY)
    document = _readable(generated)
    document["properties"] = {"$schema": {"type": "string"}, **document["properties"]}
    schema = {
        "$schema": _DIALECT,
        "$id": SCHEMA_NAME,
        "title": "Security group compliance policy",
        **document,
        "allOf": [_in_one_place(section) for section in Document.section_names()],
        "$defs": definitions,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _readable(schema: dict[str, Any]) -> dict[str, Any]:
    """Open to the user's own keys, and without what pydantic adds for itself: titles, and defaults of whole objects."""
    made = {key: _part(key, value) for key, value in schema.items() if not _noise(key, value)}
    if made.get("type") == "object" and made.get("additionalProperties") is not True:
        made["patternProperties"] = {**made.get("patternProperties", {}), **_OF_THE_USER}
        made.setdefault("additionalProperties", False)
    return made


def _part(key: str, value: Any) -> Any:  # noqa: ANN401 - JSON Schema
    if key in {"properties", "patternProperties"}:
        return {name: _readable(inner) for name, inner in value.items()}
    if isinstance(value, dict):
        return _readable(value)
    if isinstance(value, list):
        return [_readable(item) if isinstance(item, dict) else item for item in value]
    return value


def _noise(key: str, value: object) -> bool:
    return key == "title" or (key == "default" and (value is None or isinstance(value, dict | list)))


def _by_pattern(schema: dict[str, Any], pattern: str) -> dict[str, Any]:
    """Keys of one form instead of any key."""
    return {
        **schema,
        "additionalProperties": False,
        "patternProperties": {pattern: schema["additionalProperties"], **schema["patternProperties"]},
    }


def _in_one_place(section: str) -> dict[str, Any]:
    """A section stands at the top or in `compliance_policies`, not in both."""
    inside = {"properties": {"compliance_policies": {"required": [section]}}}
    return {"not": {"required": [section, "compliance_policies"], **inside}}
