"""The parts of a report, a module each with ``section(material) -> Section``."""
