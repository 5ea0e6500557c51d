"""Reads what the tests need of an ONNX file: the graph's constant tensors, and
which of them each node takes. The protobuf wire format is read directly, the
few fields that are wanted by their numbers. It must never run a graph, nor
return a tensor that is shorter or longer than its shape says.
"""

import struct

import numpy as np

# TensorProto.data_type, and how raw_data holds it.
TYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 10: "<f2",
         11: "<f8"}
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5


class Malformed(ValueError):
    """The file is not what the format says."""


def varint(data, at):
    """(value, where the next thing begins)."""
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise Malformed("a number does not end")


def fields(data):
    """(number, value) of each field of a message: an int, or the bytes of
    whatever has a length."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = varint(data, at)
        else:
            if kind == BYTES:
                size, at = varint(data, at)
            elif kind in (EIGHT, FOUR):
                size = 8 if kind == EIGHT else 4
            else:
                raise Malformed(f"a field of wire type {kind}")
            if size > len(data) - at:
                raise Malformed("a field runs past its message")
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def signed(value):
    return value - 2**64 if value >= 2**63 else value


def numbers(value):
    """A repeated whole number, one of it or all of them packed."""
    if isinstance(value, int):
        return [signed(value)]
    found, at = [], 0
    while at < len(value):
        one, at = varint(value, at)
        found.append(signed(one))
    return found


def tensor(message):
    """(name, array) of a TensorProto."""
    name, kind, shape, raw, listed = "", None, [], None, []
    for number, value in fields(message):
        if number == 1:
            shape += numbers(value)
        elif number == 2:
            kind = value
        elif number == 4:  # float_data
            listed += struct.unpack(f"<{len(value) // 4}f", value)
        elif number in (5, 7):  # int32_data, int64_data
            listed += numbers(value)
        elif number == 8:
            name = str(value, "utf-8")
        elif number == 9:
            raw = value
    if kind not in TYPES:
        raise Malformed(f"{name} is of type {kind}")
    if raw is None:
        array = np.array(listed, TYPES[kind])
    else:
        array = np.frombuffer(raw, TYPES[kind])
    if array.size != int(np.prod(shape)):
        raise Malformed(f"{name} is {array.size} numbers for {shape}")
    return name, array.reshape(shape)


def node(message):
    """(name, what it does, names of what it takes) of a NodeProto."""
    name = operation = ""
    inputs = []
    for number, value in fields(message):
        if number == 1:
            inputs.append(str(value, "utf-8"))
        elif number == 3:
            name = str(value, "utf-8")
        elif number == 4:
            operation = str(value, "utf-8")
    return name, operation, inputs


def read(path):
    """(arrays by name, nodes) of the graph of a model file."""
    arrays, nodes = {}, []
    for number, graph in fields(memoryview(path.read_bytes())):
        if number != 7:
            continue
        for inner, value in fields(graph):
            if inner == 1:
                nodes.append(node(value))
            elif inner == 5:
                name, array = tensor(value)
                arrays[name] = array
    return arrays, nodes
