"""Parts of networks for pictures: views of a page, layers in two dimensions, and what they cost."""
