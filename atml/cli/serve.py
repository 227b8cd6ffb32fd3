"""`atml serve`: exported models for other programs, over HTTP."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from atml.cli.shared_options import SERVER, Host, Port, show
from atml.cli.values import number, whole

LIMITS = "Limits"

Exports = Annotated[
    list[str],
    typer.Argument(
        help="Export folders, or ONNX files written by atml; NAME=EXPORT chooses what a model is called.",
        metavar="EXPORT...",
    ),
]


def serve(
    exports: Exports,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[
        int | None,
        typer.Option(
            parser=whole(1, 256),
            help="Threads that run models.",
            metavar="N",
            show_default="one a core",
            rich_help_panel=SERVER,
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(
            parser=whole(0),
            help="Requests that may wait for a thread; more are refused with 503.",
            metavar="N",
            rich_help_panel=LIMITS,
        ),
    ] = 256,
    max_body: Annotated[
        float,
        typer.Option(
            parser=number(0.001),
            help="Largest body of a request; a window of 5 s at 250 Hz takes some 0.01.",
            metavar="MIB",
            show_default="8",
            rich_help_panel=LIMITS,
        ),
    ] = 8.0,
    timeout: Annotated[
        float,
        typer.Option(
            parser=number(0.1),
            help="Time for a request to arrive whole, and for a client to take an answer.",
            metavar="SECONDS",
            show_default="30",
            rich_help_panel=LIMITS,
        ),
    ] = 30.0,
) -> None:
    """Serve models over HTTP by the Open Inference Protocol (v2, JSON), until Ctrl-C or SIGTERM."""
    from atml import listening
    from atml.data.formats.contest_reader import cores
    from atml.formatting import plural
    from atml.serving import names, server
    from atml.serving.connection import Limits
    from atml.serving.decisions import Served

    loaded = names.loaded(exports)
    if not listening.is_loopback(host):
        sys.stderr.write(
            f"atml: --host {host} can be reached from other machines, and there is no authentication:"
            " anyone who connects can use the models\n"
        )
    models = {name: Served(name, exported) for name, exported in loaded.items()}
    socket = server.bind(host, port)
    for name, model in models.items():
        task = model.task
        takes = f"{plural(task.leads, 'lead')}, {plural(task.window, 'sample')} at {task.sampling_rate} Hz"
        if task.picture is not None:
            takes = "pages of {} x {} pixels".format(*task.picture)
        show(f"serving {name} ({task.name}: {', '.join(task.classes)}; {takes})")
    address, at = socket.getsockname()[:2]
    show(f"{listening.url(str(address), int(at), '/v2')} is ready; Ctrl-C ends it")
    sys.stdout.flush()

    def say(line: str) -> None:
        show(line)
        sys.stdout.flush()

    answered = server.serve(
        models,
        socket,
        queue=queue,
        workers=workers or cores(),
        limits=Limits(body=int(max_body * 1024**2), request_s=timeout, answer_s=timeout),
        say=say,
    )
    show(f"ended: {plural(answered, 'request')} answered")
