"""The likeliest way through a line of states, for many clips at once.

A path stays in a state, goes on to the next, or leaves out one state that may be left out at its cost (Viterbi 1967,
over the left-to-right topology of Rabiner 1989).
"""

from collections.abc import Sequence

import numpy as np

NEVER = np.float32(-np.inf)


def best_paths(emissions: Sequence[np.ndarray], skips: Sequence[np.ndarray]) -> list[np.ndarray | None]:
    """The best path of each clip: int64 [T], the state of every frame; None where no path fits into its frames.

    `emissions`: float32 [T, S] of each clip, the log-score of every state in every frame. `skips`: float32 [S], the
    log-cost (at most 0) of leaving a state out, -inf where it must be passed through. Clips share the work and do not
    change each other's paths; O(T x S) for each.
    """
    if not emissions:
        return []
    frames = [len(each) for each in emissions]
    states = [each.shape[1] for each in emissions]
    padded = np.full((max(frames), len(emissions), max(states) + 2), NEVER, np.float32)
    jumps = np.full((len(emissions), max(states) + 2), NEVER, np.float32)
    for i, (emission, skip) in enumerate(zip(emissions, skips, strict=True)):
        padded[: frames[i], i, 2 : states[i] + 2] = emission
        jumps[i, 3 : states[i] + 2] = skip[:-1]
    final, moves = _forward(padded, jumps, [skip[0] for skip in skips], frames)
    return [
        _backward(final[i, 2 : states[i] + 2], moves[: frames[i], i, :], float(skips[i][-1]))
        for i in range(len(emissions))
    ]


def _forward(
    emissions: np.ndarray, jumps: np.ndarray, first_skips: Sequence[float], frames: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores [B, S + 2] at each clip's last frame, and moves int8 [T, B, S]: 0 stay, 1 step, 2 jump."""
    length, clips, width = emissions.shape
    score = np.full((clips, width), NEVER, np.float32)
    score[:, 2] = emissions[0, :, 2]
    if width > 3:
        score[:, 3] = emissions[0, :, 3] + np.asarray(first_skips, np.float32)
    final = score.copy()
    moves = np.zeros((length, clips, width - 2), np.int8)
    last = np.asarray(frames) - 1
    ending = {int(t): np.flatnonzero(last == t) for t in np.unique(last)}
    jump_costs = jumps[:, 2:]
    for t in range(1, length):
        stay, step, jump = score[:, 2:], score[:, 1:-1], score[:, :-2] + jump_costs
        move = (step > stay).astype(np.int8)
        best = np.maximum(stay, step)
        move[jump > best] = 2
        moves[t] = move
        score[:, 2:] = np.maximum(best, jump) + emissions[t, :, 2:]
        if t in ending:
            final[ending[t]] = score[ending[t]]
    return final, moves


def _backward(final: np.ndarray, moves: np.ndarray, last_skip: float) -> np.ndarray | None:
    state = len(final) - 1
    if state and final[state - 1] + last_skip > final[state]:
        state -= 1
    if final[state] == NEVER:
        return None
    path = np.empty(len(moves), np.int64)
    for t in range(len(moves) - 1, -1, -1):
        path[t] = state
        state -= int(moves[t, state])
    return path
