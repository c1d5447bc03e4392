# SPDX-License-Identifier: MIT
"""MATLAB's poly2mask point by point, as its documentation describes the algorithm; slow on purpose.

Vertices are moved to a grid of 5 x 5 subpixels, each edge is drawn as a discrete line on that grid, steps of
the line across the centre column of a pixel are marked, and each column is filled by parity.
"""

import math
from itertools import pairwise

GRID = 5


def nearest(value):
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def line(x1, y1, x2, y2):
    dx, dy = abs(x2 - x1), abs(y2 - y1)
    if dx == dy == 0:
        return [(x1, y1)]
    if dx >= dy:
        if x1 > x2:
            return line(x2, y2, x1, y1)[::-1]
        slope = (y2 - y1) / (x2 - x1)
        return [(x, nearest(y1 + slope * (x - x1))) for x in range(x1, x2 + 1)]
    if y1 > y2:
        return line(x2, y2, x1, y1)[::-1]
    slope = (x2 - x1) / (y2 - y1)
    return [(nearest(x1 + slope * (y - y1)), y) for y in range(y1, y2 + 1)]


def poly2mask(vertices, height, width):
    """Rows of 0/1; pixel (1, 1) of MATLAB is the first."""
    grid = [(nearest(GRID * (x - 0.5) + 1), nearest(GRID * (y - 0.5) + 1)) for x, y in vertices]
    grid.append(grid[0])
    points = []
    for (x1, y1), (x2, y2) in pairwise(grid):
        points += line(x1, y1, x2, y2)
    marks = [[0] * width for _ in range(height)]
    for (x1, y1), (x2, y2) in pairwise(points):
        if x1 == x2:
            continue
        column, rest = divmod(min(x1, x2) + 2, GRID)
        row = max(1, math.ceil((min(y1, y2) + 2) / GRID))
        if rest == 0 and 1 <= column <= width and row <= height:
            marks[row - 1][column - 1] += 1
    for column in range(width):
        inside = 0
        for row in range(height):
            inside ^= marks[row][column] & 1
            marks[row][column] = inside
    return marks
