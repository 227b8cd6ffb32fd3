"""Signal processing: resampling, beats, waves; numpy and scipy, pure."""
