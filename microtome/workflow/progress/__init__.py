# SPDX-License-Identifier: MIT
"""What a person sees while the workflow runs: how far it is, and at its end what came of it.

Snakemake tells of each job, which `watch` hears; `state` keeps which are done, run and failed, `times` how
long the others will take, and `lines` says it. Nothing here can change a result.
"""
