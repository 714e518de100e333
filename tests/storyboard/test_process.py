"""What a server gives back."""

import os
import sys
from pathlib import Path

import pytest

from storyboard import process

BLOCKS, BLOCK_BYTES = 4000, 30_000  # 120 MB, in blocks that the C library keeps in its heap


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do it themselves")
def test_what_is_free_between_what_stays_goes_back_to_the_system() -> None:
    blocks = [bytearray(b"x" * BLOCK_BYTES) for _ in range(BLOCKS)]
    stays = blocks[::20]
    del blocks
    before = resident_bytes()
    process.give_back()
    assert before - resident_bytes() > BLOCKS * BLOCK_BYTES * 0.7 and len(stays) == BLOCKS / 20
