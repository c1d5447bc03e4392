# What Snakemake works out again for each job or input while it makes a DAG, remembered (docs/benchmarks.md).
# None of it depends on more than what it is remembered by. A version that lacks one of these functions is as right.
from functools import cache

from snakemake import common, output_index, script as script_source, sourcecache


def once_for_each_script(get_source):
    """`get_source`, remembered by the path of the script, which is no pattern: once a job it is read and parsed."""
    known = {}

    def found(path, sourcecache, basedir=None, wildcards=None, params=None):
        key = (str(path), str(basedir))
        if key not in known:
            known[key] = get_source(path, sourcecache, basedir, wildcards, params)
        return known[key]

    return found


def once_for_each_file(match_producers):
    """`match_producers`, remembered by the file: an image is the input of every training and prediction."""

    def found(self, targetfile):
        known = self.__dict__.setdefault("known", {})
        if (key := str(targetfile)) not in known:
            known[key] = match_producers(self, targetfile)
        return known[key]

    return found


def remember(owner, name, remembered):
    """Put the remembered function in the place of the one that there is, once a process."""
    known = getattr(owner, name, None)
    if known is not None and not hasattr(known, "plain"):
        quick = remembered(known)
        quick.plain = known
        setattr(owner, name, quick)


remember(sourcecache, "parse_uri", cache)
remember(script_source, "get_source", once_for_each_script)
remember(common, "get_function_params", cache)
remember(output_index.OutputIndex, "match_producers", once_for_each_file)
