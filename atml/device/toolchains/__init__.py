"""The C of a model compiled for a target, run there under emulation, and counted.

Compilers and emulators come by ``pip install 'atml[device]'`` (zig, unicorn) or from Debian's packages;
whichever is there is used. Begin at `atml.device.toolchains.building.build`.
"""
