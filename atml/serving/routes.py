"""Which request is answered by what: the addresses of the Open Inference Protocol, and ``/metrics``."""

from __future__ import annotations

from typing import Any

from atml import __version__
from atml.serving import metrics, protocol
from atml.serving.http import Answer, Refused, Request
from atml.serving.inference import Inference
from atml.serving.metrics import Metrics

READ = ("GET", "HEAD")
HELP = "there are /v2, /v2/health/ready, /v2/models/NAME, /v2/models/NAME/infer and /metrics"


class Routes:
    """Answers requests; ``ending`` is set when the server takes no more of them."""

    def __init__(self, inference: Inference, counted: Metrics) -> None:
        self.inference, self.metrics = inference, counted
        self.ending = False
        self.connections = 0

    def model_of(self, request: Request) -> str:
        """Return the name of the served model that a request is about, "" where it is about none."""
        path = request.path
        return path[2] if path[:2] == ("v2", "models") and path[2:3] and path[2] in self._models else ""

    @property
    def _models(self) -> Any:
        return self.inference.models

    async def answer(self, request: Request) -> Answer:
        """Answer a request; raises Refused where it asks for what is not here."""
        match request.path:
            case ("v2",):
                only(request, *READ)
                extensions = ["model_repository"]
                return Answer.of({"name": "atml", "version": __version__, "extensions": extensions})
            case ("v2", "health", "live"):
                only(request, *READ)
                return Answer.of({"live": True})
            case ("v2", "health", "ready"):
                only(request, *READ)
                return self._ready({})
            case ("v2", "repository", "index"):
                only(request, "POST", *READ)
                state = {"version": protocol.VERSION, "state": "READY", "reason": ""}
                return Answer.of([{"name": name, **state} for name in self._models])
            case ("v2", "models", name, *rest):
                return await self._model(request, name, rest)
            case ("metrics",):
                only(request, *READ)
                return Answer(200, self._metrics().encode(), metrics.CONTENT_TYPE)
        raise Refused(404, f"there is nothing at /{'/'.join(request.path)[:80]}; {HELP}")

    async def _model(self, request: Request, name: str, rest: list[str]) -> Answer:
        if name not in self._models:
            known = ", ".join(list(self._models)[:10])
            raise Refused(404, f"there is no model {name[:80]!r}; there are: {known}")
        if rest[:1] == ["versions"] and len(rest) > 1:
            if rest[1] != protocol.VERSION:
                raise Refused(404, f"model {name!r} has no version {rest[1][:80]!r}, only {protocol.VERSION}")
            rest = rest[2:]
        match rest:
            case []:
                only(request, *READ)
                return Answer.of(self._metadata(name))
            case ["ready"]:
                only(request, *READ)
                return self._ready({"name": name})
            case ["infer"]:
                only(request, "POST")
                if "inference-header-content-length" in request.headers:
                    raise Refused(400, "binary tensors are not read; send JSON")
                if request.body is None:
                    raise Refused(411, "the request has no body, or does not say how long it is")
                return await self.inference.infer(name, request.body)
        raise Refused(404, f"model {name!r} has no {'/'.join(rest)[:80]!r}; {HELP}")

    def _ready(self, facts: dict[str, Any]) -> Answer:
        return Answer.of({**facts, "ready": not self.ending}, 503 if self.ending else 200)

    def _metadata(self, name: str) -> dict[str, Any]:
        exported = self._models[name].exported
        facts = {
            "study": exported.study,
            "trial": exported.trial,
            "sha256": exported.sha256,
            "trained_on_synthetic_data": exported.synthetic,
            "unqualified": list(exported.unqualified),
        }
        return protocol.metadata(name, exported.task, facts)

    def _metrics(self) -> str:
        return self.metrics.text(
            {
                "atml_queue_depth": ("Requests that wait for a thread.", self.inference.waiting),
                "atml_queue_limit": ("Most that may wait.", self.inference.queue),
                "atml_connections": ("Open connections.", self.connections),
            }
        )


def only(request: Request, *methods: str) -> None:
    """Raise Refused (405) for a request by another method."""
    if request.method not in methods:
        allow = ", ".join(methods)
        raise Refused(405, f"{request.method} is not answered here; use {allow}", {"Allow": allow})
