"""From the picture of a page back to its signals: a U-Net, how it is trained, and what reads its maps.

`page_truth` holds pages with what is known of each pixel, `unet` builds the network, `learning` trains it on
crops, `grid_field` turns the phase of the grid into coordinates of the page, `decoding` reads the leads.
"""
