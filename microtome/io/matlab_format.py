# SPDX-License-Identifier: MIT
"""Numbers of MAT-files, level 5 (MathWorks, MAT-File Format), and how version 7.3 is told from it."""

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HDF5_PLACES = (0, 512)
"""Bytes; MATLAB 7.3 puts a text of 512 bytes before the HDF5 file."""
MATRIX, COMPRESSED = 14, 15
"""Types of data elements that hold arrays."""
NUMERIC_CLASSES = range(6, 16)
"""Classes of arrays that hold numbers."""
TEXT = 128
"""Bytes before the first element."""
