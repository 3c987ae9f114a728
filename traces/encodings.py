#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many bytes an event other encodings of a trace's columns take: the table in FORMAT.md.

    traces/encodings.py [-l LEVEL] PERF-SCRIPT.txt...

Frees of addresses not seen before are left out. Every column is compressed by itself, in blocks of
64 Ki events, as the format does it.
"""
import argparse
import collections
import ctypes
import re

BLOCK = 65536
LINE = re.compile(r"\[(\d+)\]\s+(\d+)\.(\d{6}): +kmem:\w+: call_site=\S+ ptr=(\S+)(?: name=(\S+))?"
                  r"(?: bytes_req=(\d+) bytes_alloc=(\d+) gfp_flags=(\S+) node=(\S+))?")

zstd = ctypes.CDLL("libzstd.so.1")
zstd.ZSTD_compress.restype = ctypes.c_size_t


def compressed(data, level):
    room = len(data) + len(data) // 128 + 1024
    out = ctypes.create_string_buffer(room)
    return zstd.ZSTD_compress(out, ctypes.c_size_t(room), bytes(data), ctypes.c_size_t(len(data)),
                              level)


def varints(values):
    out = bytearray()
    for value in values:
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return out


def planes(values):
    """All low bytes, all high bytes; what needs more stands behind, as SLT_WIDE does it."""
    small = [min(value, 0xFFFF) for value in values]
    wide = b"".join(value.to_bytes(4, "little") for value in values if value >= 0xFFFF)
    return bytes(v & 0xFF for v in small) + bytes(v >> 8 for v in small) + wide


def read(path):
    """(microseconds, cpu, object, type or None for a free) of each event."""
    events, types, live, start, count = [], {}, {}, None, 0
    for line in open(path, errors="replace"):
        match = LINE.search(line)
        if not match:
            continue
        cpu, address = int(match[1]), match[4]
        time = int(match[2]) * 1000000 + int(match[3])
        start = time if start is None else start
        if match[6] is None:
            if address in live:
                events.append((time - start, cpu, live.pop(address), None))
            continue
        if address in live:
            events.append((time - start, cpu, live[address], None))
        flags = ("ATOMIC" in match[8] or "NOWAIT" in match[8], "__GFP_ZERO" in match[8])
        kind = types.setdefault((match[5], match[6], match[7], match[9], flags), len(types))
        live[address] = count
        events.append((time - start, cpu, count, kind))
        count += 1
    return events


class Columns:
    """State of the references that run on from block to block."""

    def __init__(self):
        self.free, self.peak, self.numbers = [], 0, {}
        self.births, self.type_births = 0, collections.Counter()
        self.born, self.recent, self.last = {}, collections.defaultdict(list), 0

    def block(self, events):
        columns = collections.defaultdict(list)
        for time, cpu, thing, kind in events:
            columns["time"].append(time - self.last)
            self.last = time
            columns["stream"].append(cpu)
            columns["kind"].append(0 if kind is None else kind + 1)
            columns["kind of stream %d" % cpu].append(0 if kind is None else kind + 1)
            if kind is None:
                self.release(columns, cpu, thing)
            else:
                self.numbers[thing] = self.free.pop() if self.free else self.peak
                self.peak = max(self.peak, self.numbers[thing] + 1)
                self.born[thing] = (self.births, kind, self.type_births[kind])
                self.births += 1
                self.type_births[kind] += 1
                self.recent[kind].insert(0, thing)
        return columns

    def release(self, columns, cpu, thing):
        number, (birth, kind, type_birth) = self.numbers.pop(thing), self.born.pop(thing)
        self.free.append(number)
        columns["reference: live number"].append(number)
        columns["reference: age"].append(self.births - 1 - birth)
        columns["reference: age of stream %d" % cpu].append(self.births - 1 - birth)
        columns["reference: age in its type"].append(self.type_births[kind] - 1 - type_birth)
        columns["reference: rank in its type"].append(self.recent[kind].index(thing))
        self.recent[kind].remove(thing)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-l", "--level", type=int, default=9)
    parser.add_argument("paths", nargs="+")
    options = parser.parse_args()
    for path in options.paths:
        events, state, sizes = read(path), Columns(), collections.Counter()
        for start in range(0, len(events), BLOCK):
            for name, values in state.block(events[start:start + BLOCK]).items():
                name = re.sub(r" stream \d+", " each stream by itself", name)
                sizes[name + ", varints"] += compressed(varints(values), options.level)
                sizes[name + ", planes"] += compressed(planes(values), options.level)
        print(path, len(events), "events")
        for name in sorted(sizes):
            print("  %-48s %.3f" % (name, sizes[name] / len(events)))


if __name__ == "__main__":
    main()
