"""Ray's processes of one machine: a head, or one that joins it.

`ray.init` and `ray start` replace a loopback address by one of the network, so that Ray's servers would listen to all.
The class that both are made of takes the address as it is given; that is why the range of Ray's versions is narrow.
"""

from __future__ import annotations

import os
from typing import Any

from pipeline.errors import ThroughlineError

MEGABYTE = 1 << 20
STORE_BYTES = 100 * MEGABYTE  # shared memory for clips on their way; Ray's least is 75
PLACE = "place"  # the resource that a worker takes: a machine has as many as it may hold
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers see the GPUs that this process sees
}


def prepare(token: str, source: str) -> None:
    """What Ray's processes inherit. To be called before Ray is imported. source: the folder of this program."""
    os.environ.update(ENVIRONMENT, RAY_AUTH_TOKEN=token)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))


def available() -> bool:
    """Whether Ray is installed. Does not import it."""
    import importlib.util

    return importlib.util.find_spec("ray") is not None


def check_available() -> None:
    """Raises ThroughlineError without Ray."""
    if not available():
        raise ThroughlineError("workers need Ray, which is not installed: pip install 'ray>=2.54,<2.61'")


def start_node(address: str, places: int, head: str = "", port: int = 0, folder: str = "") -> Any:
    """Ray's processes on this machine, which end with this one.

    address: the one of this machine that they listen on. head: HOST:PORT of the one to join; without it this is the
    head, at `port`, 0 for any. folder: for sockets and logs.
    """
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    given: dict[str, Any] = {"include_log_monitor": False} | ({"temp_dir": folder} if folder else {})
    given |= {"gcs_address": head} if head else {"gcs_server_port": port, "no_monitor": True}
    wanted = RayParams(
        node_ip_address=address,
        num_cpus=1,  # of which workers take none: it only says how many processes are started in advance
        num_gpus=0,
        resources={PLACE: places},
        object_store_memory=STORE_BYTES,
        include_dashboard=False,
        **given,
    )
    return Node(wanted, head=not head, shutdown_at_exit=True, spawn_reaper=True)
