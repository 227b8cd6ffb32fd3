"""Whole recordings beat by beat: beats found and named, what they come to, files and a page to read.

::

    the signal as it comes        resampler.py, contact.py, stream.py
    what is kept of each beat     beats.py
    what beats come to            patterns.py, intervals.py, summary.py (numpy, pure)
    what is shown of them         shapes.py, findings.py, trend.py, page.py
    the files                     files.py
"""
