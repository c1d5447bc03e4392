# SPDX-License-Identifier: MIT
"""What can be told of a folder of images and labels before there is a study of them.

`look.survey` looks at names, headers and labels, and decides what a first study of them would be;
`text` writes it as a study file and a sample sheet. What nobody can tell from files is said, with the option
by which a person settles it. Nothing here is imported when a DAG is made.
"""
