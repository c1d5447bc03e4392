# SPDX-License-Identifier: MIT
"""What a study file says of images of classes, of objects, and of whole slides."""
