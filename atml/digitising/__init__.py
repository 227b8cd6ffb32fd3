"""From a picture of an ECG page back to its signals, without a network.

::

    light.py            how dark each point is for its light, and what of it is ink and not grid
    grid.py             pitch and direction of the grid, from spectra of parts of the picture
    unwarping.py        where each millimetre of the page lies in the picture, from the grid's phase
    sight.py            all three of a picture, each once
    rows.py             rows of traces, and where they begin and end
    calibration.py      pulses of 1 mV: gain and paper speed
    tracing.py          a row's trace, column by column, and its values between pixels
    fitting.py          the line that, drawn with the page's pen, leaves a trace's ink
    leads.py            which lead each stretch of a row is
    digitiser.py        all of it together: `digitise`
    signal_rules.py     how near signals come to the true ones: rules of two contests
"""
