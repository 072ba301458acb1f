"""What this machine has for training: GPUs, memory, disk, cores. Sizes in GB (10⁹ bytes)."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

QUERY = ("--query-gpu=name,memory.total,memory.free,compute_cap", "--format=csv,noheader,nounits")
BF16_SINCE = 8.0  # the compute capability, that of Ampere
MEMORY, CGROUPS = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
GB = 1e9


@dataclass(frozen=True)
class Gpu:
    """One graphics processor."""

    name: str
    total_gb: float
    free_gb: float
    bf16: bool


@dataclass(frozen=True)
class Machine:
    """All that decides what can be trained here; without a GPU everything happens in main memory."""

    gpus: tuple[Gpu, ...]
    memory_gb: float
    available_gb: float
    disk_free_gb: float
    cores: int
    unseen: tuple[Gpu, ...] = ()
    """GPUs that the driver knows and this torch does not: it was built without CUDA, or they are hidden."""


def here(target: Path) -> Machine:
    """What is here; `target` is where the adapter will lie, and need not be there yet."""
    seen, driver = _seen_by_torch(), known_to_driver()
    return _with(driver if seen is None else seen, driver if seen == () else (), target)


def without_servers(target: Path) -> Machine:
    """What is here once nobody holds a GPU; torch is not asked, since it would hold some of one."""
    return _with(tuple(replace(gpu, free_gb=gpu.total_gb) for gpu in known_to_driver()), (), target)


def known_to_driver(seconds: float = 10.0) -> tuple[Gpu, ...]:
    """The GPUs that `nvidia-smi` lists; none where it is not installed, fails or hangs."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        done = subprocess.run([program, *QUERY], capture_output=True, text=True, timeout=seconds, check=True)
        return tuple(_listed(line) for line in done.stdout.splitlines() if line.strip())
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def limited(total_gb: float, available_gb: float, cgroups: Path = CGROUPS) -> tuple[float, float]:
    """Main memory within a container's limit: the system tells of all there is, and kills at the limit."""
    for folder, most, used in (
        (cgroups, "memory.max", "memory.current"),
        (cgroups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            limit, taken = (int((folder / name).read_text()) / GB for name in (most, used))
        except (OSError, ValueError):
            continue  # not this kind of cgroup, or "max"
        if limit < total_gb:
            return limit, min(available_gb, limit - taken + _given_back(folder))
    return total_gb, available_gb


def _given_back(folder: Path) -> float:
    """What a cgroup counts as taken and gives up when asked: files that were read."""
    lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    sizes = {name: int(size) / GB for name, size in lines}
    return sizes.get("total_inactive_file", sizes.get("inactive_file", 0.0))


def _with(gpus: tuple[Gpu, ...], unseen: tuple[Gpu, ...], target: Path) -> Machine:
    total, available = _memory()
    return Machine(
        gpus=gpus,
        memory_gb=total,
        available_gb=available,
        disk_free_gb=shutil.disk_usage(_nearest(target)).free / GB,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        unseen=unseen,
    )


def _seen_by_torch() -> tuple[Gpu, ...] | None:
    """What torch can train on; None where there is no torch."""
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return ()
    return tuple(_gpu(torch.cuda, number) for number in range(torch.cuda.device_count()))


def _gpu(cuda: Any, number: int) -> Gpu:
    free, total = cuda.mem_get_info(number)
    found = cuda.get_device_properties(number)
    return Gpu(found.name, total / GB, free / GB, float(f"{found.major}.{found.minor}") >= BF16_SINCE)


def _listed(line: str) -> Gpu:
    name, total, free, capability = (part.strip() for part in line.rsplit(",", 3))
    mebibyte = 2**20 / GB
    return Gpu(name, float(total) * mebibyte, float(free) * mebibyte, float(capability) >= BF16_SINCE)


def _memory() -> tuple[float, float]:
    """Main memory in all, and what is to be had without swapping; outside Linux all of it is."""
    try:
        lines = (line.split() for line in MEMORY.read_text().splitlines())
        sizes = {name: int(size) * 1024 / GB for name, size, *_ in lines}
        return limited(sizes["MemTotal:"], sizes["MemAvailable:"])
    except (OSError, KeyError, ValueError):
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GB
        return limited(total, total)


def _nearest(path: Path) -> Path:
    whole = path.absolute()
    return next(one for one in (whole, *whole.parents) if one.is_dir())
