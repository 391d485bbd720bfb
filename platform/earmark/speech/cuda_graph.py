"""One launch for a step of hundreds of small kernels.

Not run on a GPU so far: none was at hand where it was written. The step it captures is the one the CPU runs.
"""

from collections.abc import Callable

import torch

_WARM_UP = 3


def captured(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """`work` on a CUDA device, recorded once and then replayed; it must use the same tensors every time.

    It is done a few times for the warm-up, so what it writes has to be cleared afterwards.
    """
    aside = torch.cuda.Stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        for _ in range(_WARM_UP):
            work()
    torch.cuda.current_stream(device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
