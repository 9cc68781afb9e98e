# SPDX-License-Identifier: BSD-2-Clause
"""
The module `netlambda`, which a function may import: what its type stubs (netlambda.pyi) name is there while it runs, too, so
StateFull can be caught, and annotations need no `if TYPE_CHECKING`. A file or a package of that name that a function brings
goes before it.
"""

import importlib.util
import sys

from event import BatchContext, Context, Event
from state import Counter, KeyedState, Live, Ranking, StateFull

NAME = 'netlambda'


def names(schemas):
    """What the module has. Events of all kinds are of one class, and their data is a dict."""
    offered = {
        'StateFull': StateFull, 'Event': Event, 'Context': Context, 'BatchContext': BatchContext, 'State': KeyedState,
        'Counter': Counter, 'Window': Live, 'Distinct': Live, 'Top': Ranking, 'Length': str | float,
        'HttpData': dict, 'HttpEvent': Event,
    }
    for schema in schemas:
        kind = schema.name.capitalize()
        offered |= {f'{kind}Data': dict, f'{kind}Event': Event}
    return offered


class Offer:
    """Finder and loader of the module, asked when nobody else has it."""

    def __init__(self, schemas):
        self._names = names(schemas)

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name == NAME else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        vars(module).update(self._names)


def offer(schemas):
    sys.meta_path.append(Offer(schemas))
