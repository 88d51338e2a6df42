"""Looks at the machine: which tools and platform files are there."""

from __future__ import annotations

from typing import Any

from characterize.platform import load_platform
from characterize.toolchain import Tool, find_optional, find_tools
from rtl_gen.errors import InputError


def examine(platform_name: str) -> dict[str, Any]:
    """What is installed, which version, where, with which hash; what is missing and how to get it.

    A tool that cannot be used counts as missing: it has no ``path``.

    Returns:
        ``ok``, ``tools`` and ``platform``, as printed by ``peforge doctor --json``.
    """
    needed = find_tools()
    tools = [
        {
            "name": tool.name,
            "version": tool.version,
            "path": tool.path if tool.usable else "",
            "sha256": tool.digest,
            "optional": tool not in needed,
            "remedy": _remedy(tool),
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


def _remedy(tool: Tool) -> str:
    """How to get a tool that is missing, and what is wrong with one that cannot be used."""
    if tool.usable:
        return ""
    return f"{tool.path} {tool.fault}; {tool.remedy}" if tool.fault else tool.remedy
