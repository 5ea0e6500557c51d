"""Bytes as C string literals, for the scripts that write test cases. It must
never write a literal that a compiler reads as other bytes.
"""


def escaped(byte):
    if chr(byte) in '"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 and byte != 63 else f"\\{byte:03o}"


def literal(data, indent):
    """Bytes as C string literals, one after another, within 80 columns."""
    lines = [""]
    for byte in data:
        if len(lines[-1]) + len(escaped(byte)) > 76 - indent:
            lines.append("")
        lines[-1] += escaped(byte)
    return ("\n" + " " * indent).join(f'"{line}"' for line in lines)
