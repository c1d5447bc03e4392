# SPDX-License-Identifier: MIT
"""Jobs that begin at once: forks of a process that has imported what they import.

A job of the workflow is a Python program of its own, and importing PyTorch, pandas or matplotlib takes one to
two seconds, more than most jobs of a small study compute. So Snakemake starts one process that imports what
the scripts of the planned jobs import (`server`), and asks it for a fork for each job (`client`). A fork is a
process of its own, with its own memory, log, limits and exit status, and it has the state of a program that
has just finished its imports; results are those of a program that Snakemake starts.

Linux alone has it: libraries of other systems start threads as they are imported, beside which nothing can be
forked safely. `multiprocessing` has a server of forks, too; its children import the main program of the
parent once more, here all of Snakemake.
"""
