"""The array seen from outside: its banks and its ports. Imports no Amaranth."""

from __future__ import annotations

from typing import Any

from rtl_gen.array.design import ArrayDesign
from rtl_gen.array.registers import REGISTER_BITS, register_map
from rtl_gen.requantize import SHIFT_BITS


def bank_bits(design: ArrayDesign) -> dict[str, tuple[int, int]]:
    """Words and bits of every bank of the buffer, by name."""
    pe = design.pe
    result = {
        **{f"ifmap{k}": (design.ifmap_words, pe.act_word_bits) for k in range(design.ifmap_buses)},
        **{
            f"filter{k}": (design.filter_words, pe.weight_word_bits)
            for k in range(design.filter_buses)
        },
        **{f"psum{k}": (design.psum_words, pe.psum_bits) for k in range(design.psum_buses)},
    }
    if pe.family != "fp":
        bits = sum(scale_fields(design).values())
        result |= {f"scale{k}": (design.scale_words, bits) for k in range(design.psum_buses)}
    return result


def scale_fields(design: ArrayDesign) -> dict[str, int]:
    """What a word of the banks of scales holds, from the lowest bit, and its bits."""
    return {
        "multiplier": design.scale_bits, "shift": SHIFT_BITS, "relu": 1,
        "bias": design.pe.psum_bits,
    }  # fmt: skip


def address_bits(words: int) -> int:
    """Bits of the address of a bank."""
    return (words - 1).bit_length()


def array_ports(design: ArrayDesign) -> list[dict[str, Any]]:
    """Name, direction (seen from the array) and width of every port."""
    registers = max(field.address for field in register_map(design)).bit_length()
    ports = [
        ("clk", "input", 1), ("rst", "input", 1),
        ("write_address", "input", registers), ("write_word", "input", REGISTER_BITS),
        ("write_enable", "input", 1), ("read_address", "input", registers),
        ("read_word", "output", REGISTER_BITS), ("busy", "output", 1),
    ]  # fmt: skip
    for name, (words, bits) in bank_bits(design).items():
        address = address_bits(words)
        ports += _stream(f"{name}_request", address, outward=True)
        ports += _stream(f"{name}_response", bits, outward=False)
        if name.startswith("psum"):
            ports += _stream(f"{name}_write", address + bits, outward=True)
    return [{"name": name, "direction": way, "width": bits} for name, way, bits in ports]


def _stream(name: str, bits: int, *, outward: bool) -> list[tuple[str, str, int]]:
    along, back = ("output", "input") if outward else ("input", "output")
    return [
        (f"{name}__payload", along, bits),
        (f"{name}__valid", along, 1),
        (f"{name}__ready", back, 1),
    ]
