"""A second device on a machine that has only a CPU: it computes on the CPU, but refuses to mix with the CPU's tensors.

As on a GPU, an operation takes tensors of one device; only scalars and copies from one to the other may cross. So a
tensor that a training leaves behind is an error here as there. Nothing is said about speed or precision.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

SECOND = torch.device("lazy")  # a device type that every build of torch can name
COPIES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class SecondDeviceTensor(Tensor):
    """A tensor that says it is on SECOND. `inner` is where its values are."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "SecondDeviceTensor":
        tensor = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=SECOND,
        )
        tensor.inner = inner
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})

    def __reduce_ex__(self, protocol: int) -> Any:
        return self.inner.__reduce_ex__(protocol)


class SecondDevice(TorchDispatchMode):
    """While it is entered, tensors can be made on SECOND and moved there."""

    def __enter__(self) -> "SecondDevice":
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=SECOND) is made here and then moved
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        torch._C._set_only_lift_cpu_tensors(False)
        super().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


def compute(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
    there = [x for x in tensors if isinstance(x, SecondDeviceTensor)]
    here = [x for x in tensors if not isinstance(x, SecondDeviceTensor) and x.ndim > 0]
    if there and here and func not in COPIES:
        raise RuntimeError(f"{func} mixes devices: {[tuple(x.shape) for x in here]} were left on the CPU")
    device = kwargs.get("device")
    goes_there = bool(there) if device is None else torch.device(device).type == SECOND.type
    if func is torch.ops.aten.copy_.default:
        goes_there = isinstance(args[0], SecondDeviceTensor)
    if device is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    owner = {id(x.inner): x for x in there}
    plain_args, plain_kwargs = tree_map_only(SecondDeviceTensor, lambda x: x.inner, (tuple(args), kwargs))
    result = func(*plain_args, **plain_kwargs)
    if not goes_there:
        return result
    return tree_map_only(Tensor, lambda x: owner.get(id(x)) if id(x) in owner else SecondDeviceTensor(x), result)
