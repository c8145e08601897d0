"""Many pictures and videos, spread over processes and machines: each done once, whatever happens to those who work.

``workers`` do pieces of work somewhere else, processes of this machine or actors of a Ray; ``handing_out`` gives them
pieces and takes care of those that die. ``pictures``, ``videos``, ``evaluating`` and ``field_sets`` say what is done,
``sources`` what to, and ``parts`` keeps results so that a run that was ended goes on.

Nothing is imported here: a worker loads what its job needs, and nothing else.
"""
