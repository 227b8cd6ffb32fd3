"""Exported models for other programs: an HTTP server, a Triton model repository, what replicas cost.

::

    names.py       what models are called
    decisions.py   windows in, logits and labels out, as the library decides them
    protocol.py    the Open Inference Protocol's JSON, read and written
    http.py        HTTP/1.1: requests read and refused, answers written
    connection.py  one client's connection: limits of size and time
    routes.py      which request is answered by what
    inference.py   the bounded queue, and the threads that run models
    metrics.py     what is counted, as Prometheus reads it
    server.py      listening, connections, a graceful end
    triton.py      a model repository for NVIDIA's Triton Inference Server
    replicas.py    latency, windows a second and memory of replicas; replica.py is the process measured
"""
