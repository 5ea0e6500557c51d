"""The machine that a table was made on, as its kernel tells it: what decides
how fast arithmetic is, in one line. It must never guess what the kernel does
not say.
"""

import os
import platform
import re
from pathlib import Path

# In the order in which CPUs got them; of these a table's line names those
# that the CPU has.
FLAGS = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni",
    "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16",
    "sve",
)


def cpu_fields(text):
    """The first processor of a /proc/cpuinfo, as a dict."""
    first = text.split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def cpu_name(fields):
    """The model's name, with the numbers that tell generations apart."""
    name = fields.get("model name") or platform.machine()
    numbers = [
        f"{word} {fields[field]}" for word, field in (
            ("family", "cpu family"), ("model", "model"),
            ("stepping", "stepping"),
        ) if field in fields
    ]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def cpu_flags(fields):
    has = (fields.get("flags") or fields.get("Features") or "").split()
    return [flag for flag in FLAGS if flag in has]


def caches(folder=Path("/sys/devices/system/cpu/cpu0/cache")):
    """{"L1d": "32K", ...} of one core."""
    found = {}
    for index in sorted(folder.glob("index*")):
        level, kind, size = (
            (index / name).read_text().strip()
            for name in ("level", "type", "size")
        )
        suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
        found[f"L{level}{suffix}"] = size
    return found


def system():
    """The distribution and the kernel."""
    release = Path("/etc/os-release")
    text = release.read_text() if release.exists() else ""
    name = re.search(r'^PRETTY_NAME="?(.*?)"?$', text, re.M)
    kernel = f"Linux {platform.release()}"
    return f"{name[1]}, {kernel}" if name else kernel


def machine():
    fields = cpu_fields(Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu_name(fields),
        "cores": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "memory_gb": round(memory / 2**30),
        "flags": cpu_flags(fields),
        "system": system(),
    }
