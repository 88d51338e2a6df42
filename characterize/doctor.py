"""Looks at the machine: which tools and platform files are there."""

from __future__ import annotations

from typing import Any

from characterize.platform import load_platform
from characterize.toolchain import find_optional, find_tools
from rtl_gen.errors import InputError


def examine(platform_name: str) -> dict[str, Any]:
    """What is installed, which version, where, with which hash; what is missing and how to get it.

    Returns:
        ``ok``, ``tools`` and ``platform``, as printed by ``peforge doctor --json``.
    """
    needed = find_tools()
    tools = [
        {
            "name": tool.name,
            "version": tool.version,
            "path": tool.path,
            "sha256": tool.digest,
            "optional": tool not in needed,
            "remedy": "" if tool.path else tool.remedy,
        }
        for tool in needed + find_optional()
    ]
    platform: dict[str, Any] = {"name": platform_name, "files": [], "error": ""}
    try:
        kit = load_platform(platform_name)
    except InputError as error:
        platform["error"] = str(error)
    else:
        platform["name"] = kit.name
        platform["files"] = [
            {"name": name, "path": str(path), "sha256": kit.hashes[name]}
            for name, path in (
                ("liberty", kit.liberty),
                *((f"liberty_{use}", path) for use, path in kit.corners.items()),
                ("cell_lef", kit.cell_lef),
            )
        ]
    ok = not platform["error"] and all(tool["path"] or tool["optional"] for tool in tools)
    return {"ok": ok, "tools": tools, "platform": platform}
