"""Answers that take their time: constant, uniform, lognormal, or as long as recorded answers took."""

from __future__ import annotations

from collections.abc import Iterable

from ..values import valueclass
from ..wire import Chunk, Head, Pause, Step
from .kind import Kind, Level, Scene, param

DISTRIBUTIONS = ("constant", "uniform", "lognormal", "learned")


@valueclass(frozen=True, slots=True)
class Parameters:
    """How long, and before what."""

    distribution: str = param("constant", "How the wait is drawn.", choices=DISTRIBUTIONS)
    seconds: float = param(0.1, "constant: the wait; lognormal: its median.", low=0)
    low: float = param(0.0, "uniform: the shortest wait in seconds.", low=0)
    high: float = param(1.0, "uniform: the longest wait in seconds.", low=0)
    sigma: float = param(0.5, "lognormal: deviation of the logarithm.", low=0, high=10)
    before: str = param("answer", "What waits: the whole answer, or each of its parts.", choices=("answer", "part"))


class Latency:
    """The wait of one reply."""

    def __init__(self, parameters: Parameters, scene: Scene) -> None:
        self._parameters = parameters
        self._scene = scene
        self._count = 0

    def feed(self, step: Step) -> Iterable[Step]:
        awaited = Chunk if self._parameters.before == "part" else Head
        if not isinstance(step, awaited):
            return (step,)
        wait_s = draw(self._parameters, self._scene, nth=self._count)
        self._count += 1
        return (Pause(wait_s), step) if wait_s > 0 else (step,)


def draw(parameters: Parameters, scene: Scene, *, nth: int) -> float:
    """Seconds of one wait. Learned from no recordings at all, it is none."""
    purpose = scene.purpose_of("latency")
    match parameters.distribution:
        case "uniform":
            low, high = sorted((parameters.low, parameters.high))
            return scene.chance.uniform(purpose, low, high=high, nth=nth)
        case "lognormal" if parameters.seconds > 0:
            return scene.chance.lognormal(purpose, parameters.seconds, sigma=parameters.sigma, nth=nth)
        case "learned":
            waits_s = sorted(scene.waits_s)
            return waits_s[scene.chance.below(purpose, len(waits_s), nth=nth)] if waits_s else 0.0
    return parameters.seconds


KIND = Kind("latency", "Waits before the answer, or before each part.", Level.STEP, Parameters, edit=Latency)
