from typing import Any

Manifest = dict[str, Any]
