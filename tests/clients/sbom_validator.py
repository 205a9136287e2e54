"""Whether a bill of materials is CycloneDX, by the official schema: sbom_validator.py FILE. Prints what is wrong with it."""

import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = pathlib.Path(sys.argv[1]).read_text()
version = SchemaVersion.from_version(json.loads(text)["specVersion"])
wrong = JsonStrictValidator(version).validate_str(text)
if wrong is not None:
    sys.exit(str(wrong)[:2000])
print("valid", version.to_version())
