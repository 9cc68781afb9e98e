# SPDX-License-Identifier: BSD-2-Clause
"""
Records: an event's bytes, and decoders that are built from the schemas that the engine announces. A
decoder makes a dict, once a function first looks at event['data']; of that, texts are made when they are
looked at.
"""

import struct
import time

from frames import aligned

CACHE_MAX = 8192  # texts; when full it is emptied: what is in use comes back at once

_ips = {}
_seconds = {}


def _ipv6_text(address):
    """RFC 5952: lower case, no leading zeroes, the longest run of two or more zero groups becomes "::"."""
    groups = struct.unpack('>8H', address)
    best, best_length = -1, 1
    for i in range(8):
        length = 0
        while i + length < 8 and groups[i + length] == 0:
            length += 1
        if length > best_length:
            best, best_length = i, length

    def text(part):
        return ':'.join(f'{group:x}' for group in part)

    return text(groups) if best < 0 else f'{text(groups[:best])}::{text(groups[best + best_length:])}'


def ip_text(address):
    text = _ips.get(address)
    if text is None:
        if len(_ips) >= CACHE_MAX:
            _ips.clear()
        if address.startswith(b'\0' * 10 + b'\xff\xff'):
            text = '.'.join(map(str, address[12:]))
        else:
            text = _ipv6_text(address)
        _ips[address] = text
    return text


def time_text(ns):
    """RFC 3339 with nanoseconds; '' for 0, which means unknown."""
    if ns == 0:
        return ''
    second, rest = divmod(ns, 1_000_000_000)
    prefix = _seconds.get(second)
    if prefix is None:
        if len(_seconds) >= CACHE_MAX:
            _seconds.clear()
        prefix = _seconds[second] = time.strftime('%Y-%m-%dT%H:%M:%S.', time.gmtime(second))
    return f'{prefix}{rest:09}Z'


_UNSIGNED = {1: 'B', 2: 'H', 4: 'I', 8: 'Q'}


def _format(kind, size, name):
    if kind == 'ip' and size == 16:
        return '16s'
    if size not in _UNSIGNED:
        raise ValueError(f'field {name}: cannot read a {kind} of {size} bytes')
    return _UNSIGNED[size].lower() if kind == 'int' else _UNSIGNED[size]


_TEXTS = {'ip': ip_text, 'time': time_text}


class Record(dict):
    """
    A record's fields by their names: numbers from the beginning, texts once they are looked at. In all else a dict
    of all fields, in the schema's order.
    """

    __slots__ = ('_raw',)  # what texts are to be made of; None: all are made
    # Of the schema: name -> (its place in `_raw`, what makes the text), and all names.
    _texts = {}
    _names = ()

    def __missing__(self, name):
        place, text_of = self._texts[name]
        if self._raw is None:
            raise KeyError(name)  # it was deleted
        value = self[name] = text_of(self._raw[place])
        return value

    def get(self, name, default=None):
        try:
            return self[name]
        except KeyError:
            return default

    def _fill(self):
        if self._raw is None:
            return
        fields = {name: self[name] for name in self._names}
        self._raw = None
        fields.update(self)
        dict.clear(self)
        dict.update(self, fields)

    def __reduce__(self):
        return dict, (self.copy(),)


def _filled(method):
    def call(self, *args, **kwargs):
        self._fill()
        return method(self, *args, **kwargs)

    return call


# What tells of more than one field. That __iter__ is among them makes dict() and ** ask for keys().
for _name in (
    '__contains__ __delitem__ __eq__ __ior__ __iter__ __len__ __ne__ __or__ __repr__ __reversed__ __ror__ '
    'clear copy items keys pop popitem setdefault update values'
).split():
    setattr(Record, _name, _filled(getattr(dict, _name)))


def _unpack_form(fields):
    """What struct unpacks them with at once; and name -> a word for each, in the order in which they come."""
    form, end = '=', 0  # in the machine's own byte order, without padding
    places = sorted(fields, key=lambda field: field[2])
    for name, kind, offset, size in places:
        if offset < end:
            raise ValueError(f'field {name} overlaps another')
        form += f'{offset - end}x' + _format(kind, size, name)
        end = offset + size
    return form, {field[0]: f'v{i}' for i, field in enumerate(places)}


def _compiled(source, form, **scope):
    """The function `read` of a source that unpacks a form."""
    scope |= {'unpack': struct.Struct(form).unpack_from, 'ip_text': ip_text, 'time_text': time_text}
    exec(source, scope)
    return scope['read']


class Schema:
    """An event's fields, as (name, kind, offset, size), with what decodes them."""

    def __init__(self, event_id, name, record_size, fields):
        self.id = event_id
        self.name = name
        self.record_size = record_size
        self.stride = aligned(record_size)  # bytes of a record in a batch
        self._fields = fields
        self._readers = {}
        for field, kind, offset, size in fields:
            if offset + size > record_size:
                raise ValueError(f'field {field} lies outside its record')
            self._readers[field] = self._reader(field, kind, offset, size)
        self.decode = self._compile()

    @staticmethod
    def _reader(field, kind, offset, size):
        form = struct.Struct('=' + _format(kind, size, field))
        convert = _TEXTS.get(kind, lambda value: value)
        return lambda record, at: convert(form.unpack_from(record, at + offset)[0])

    def _compile(self):
        """(bytes, at) -> Record, by one unpack of all fields."""
        form, values = _unpack_form(self._fields)
        texts = {field[0]: _TEXTS[field[1]] for field in self._fields if field[1] in _TEXTS}
        numbers = ', '.join(f'{field[0]!r}: {values[field[0]]}' for field in self._fields if field[0] not in texts)
        source = (
            'def read(record, at):\n'
            f'    {", ".join(values.values())}, = unpack(record, at)\n'
            f'    data = Fields({{{numbers}}})\n'
            f'    data._raw = ({"".join(f"{values[name]}, " for name in texts)})\n'
            f'{"" if numbers else "    data._fill()"}\n'  # C would see an empty dict
            '    return data\n'
        )
        members = {
            '__slots__': (),
            '_texts': {name: (place, text_of) for place, (name, text_of) in enumerate(texts.items())},
            '_names': tuple(field[0] for field in self._fields),
        }
        return _compiled(source, form, Fields=type('Record', (Record,), members))

    def reader(self, field):
        """A function (bytes, at) -> value, or None."""
        return self._readers.get(field)

    def key_reader(self, names):
        """(bytes, at) -> what state needs of a record: the key's text, and `last` in nanoseconds; 0: unknown."""
        last = [field for field in self._fields if field[:2] == ('last', 'time')]
        form, values = _unpack_form([field for field in self._fields if field[0] in names or field in last])
        shown = {name: f'{kind}_text({values[name]})' if kind in _TEXTS else values[name]
                 for name, kind, _, _ in self._fields if name in names}
        text = '|'.join(f'{{{shown[name]}}}' if name in shown else '' for name in names)
        source = (
            'def read(record, at):\n'
            f'    ({"".join(f"{value}, " for value in values.values())}) = unpack(record, at)\n'
            f'    return f"{text}", {values["last"] if last else 0}\n'
        )
        return _compiled(source, form)


def read_schema(reader):
    """Reads a SCHEMA frame."""
    event_id, name, record_size = reader.u32(), reader.text(), reader.u16()
    fields = [(reader.text(), reader.text(), reader.u16(), reader.u16()) for _ in range(reader.u16())]
    return Schema(event_id, name, record_size, fields)
