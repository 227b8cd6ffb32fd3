"""Sets of pages: drawn hearts or records as they come, a folder a page, written whole or not at all."""
