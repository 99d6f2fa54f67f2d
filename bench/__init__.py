"""Speed and memory, measured on real servers; every benchmark prints how it measured."""
