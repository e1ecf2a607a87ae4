#!/usr/bin/env python3
"""A small Stockhold client, written from PROTOCOL.md alone with the standard library.

It shows every step that a client in another language needs: frames and their checksums, the handshake,
resolving names, a check, a reserve, and reading its outcome. It is not for production: one thread, one
request at a time, no reconnecting.
"""

import argparse
import os
import socket
import struct
import time
import uuid

MAGIC, VERSION = b"SH", 2
HEADER = struct.Struct("<2sBBIQIHHI")  # 28 bytes; the header's own checksum follows
RECORD = struct.Struct("<HBB16s")
OUTCOME = struct.Struct("<HBBIQ")

HELLO, WELCOME, ERROR, COMMANDS, OUTCOMES, CHECKS, CELLS, RESOLVE, RESOLVED = range(1, 10)
GOODBYE = 12
RESERVE, CONFIRM, RELEASE = 1, 2, 3
HAS_TTL, WIDE, FRESH = 0x04, 0x20, 0x80
NOT_ASSIGNED, UNLIMITED = -(1 << 63), (1 << 63) - 1

CODES = {
    0: "ok", 1: "partial", 2: "confirmed_late", 32: "sold_out", 33: "no_source_in_stock", 34: "not_assigned",
    35: "below_min_sale", 36: "above_max_sale", 37: "not_an_increment", 41: "unknown_reservation",
    58: "limit_reached", 128: "busy", 130: "bad_field", 131: "unknown_name", 132: "id_reused",
    137: "ttl_out_of_range", 138: "deadline_passed",
}  # the rest stands in PROTOCOL.md; an unknown code is told by its range


def crc32c_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
        table.append(crc)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def frame(kind, request, body, count=0, deadline_ms=0):
    head = HEADER.pack(MAGIC, VERSION, kind, len(body), request, deadline_ms, count, 0, crc32c(body))
    return head + struct.pack("<I", crc32c(head)) + body


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def field(number, value):
    """A tagged field: its number, the length of its value, its value."""
    return struct.pack("<HI", number, len(value)) + value


def fields(data):
    """The tagged fields of a message: numbers (without the optional bit) and values. Unknown ones are simply not asked for."""
    found, at = {}, 0
    while at < len(data):
        number, length = struct.unpack_from("<HI", data, at)
        found[number & 0x7FFF] = data[at + 6 : at + 6 + length]
        at += 6 + length
    return found


def hello(name):
    """The oldest and the newest version, no capabilities, and who we are."""
    values = (bytes([VERSION]), bytes([VERSION]), struct.pack("<Q", 0), string(name))
    return b"".join(field(number, value) for number, value in enumerate(values, 1))


def names(entries):
    """Each entry is (variant, text, …): 0 SKU, 1 stock, 2 source, 3 channel (type and code)."""
    body = struct.pack("<Q", len(entries))
    for variant, *texts in entries:
        body += struct.pack("<I", variant) + b"".join(string(text) for text in texts)
    return body


def new_id(now_ms, random=None):
    """A UUIDv7: 48 bits of milliseconds of the server's time, then random bits, with version and variant forced."""
    value = now_ms << 80 | int.from_bytes(os.urandom(10) if random is None else random, "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    return value.to_bytes(16, "big")


def record(kind, flags, command_id, body):
    return RECORD.pack(RECORD.size + len(body), kind, flags, command_id) + body


def reserve(command_id, stock, lines, ttl_ms=None, fresh=False):
    """Lines are (SKU number, ten-thousandths)."""
    flags = FRESH if fresh else 0
    body = struct.pack("<IH", stock, len(lines))
    if ttl_ms is not None:
        flags |= HAS_TTL
        body += struct.pack("<I", ttl_ms)
    wide = any(quantity > 0xFFFFFFFF for _, quantity in lines)
    if wide:
        flags |= WIDE
    for sku, quantity in lines:
        body += struct.pack("<IQ" if wide else "<II", sku, quantity)
    return record(RESERVE, flags, command_id, body)


def checks(pairs, min_op=0):
    return struct.pack("<Q", min_op) + b"".join(struct.pack("<II", *pair) for pair in pairs)


def read_outcomes(body):
    """Yields (index, code, replayed, recorded, value, op, detail bytes)."""
    at = 0
    while at < len(body):
        index, code, flags, value, op = OUTCOME.unpack_from(body, at)
        at += OUTCOME.size
        detail = b""
        if flags & 4:
            (length,) = struct.unpack_from("<H", body, at)
            detail = body[at + 2 : at + 2 + length]
            at += 2 + length
        yield index, code, bool(flags & 1), bool(flags & 2), value, op, detail


def told(detail):
    """What a refusal's detail says; the other variants stand in PROTOCOL.md."""
    if not detail:
        return "-"
    (variant,) = struct.unpack_from("<I", detail)
    if variant == 3:
        return "SKU {} available={}".format(*struct.unpack_from("<Iq", detail, 4))
    if variant == 8:
        return "SKU {} bound={} asked={}".format(*struct.unpack_from("<Iqq", detail, 4))
    if variant == 9:
        return "min={} max={} asked={}".format(*struct.unpack_from("<QQQ", detail, 4))
    if variant == 10:
        (length,) = struct.unpack_from("<Q", detail, 4)
        (value,) = struct.unpack_from("<Q", detail, 12 + length)
        return f"limit {detail[12:12 + length].decode()}={value}"
    if variant == 11:
        return "SKU {}".format(*struct.unpack_from("<I", detail, 4))
    return detail.hex()


class Connection:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = 0
        self.socket.sendall(frame(HELLO, 0, hello("stockhold_client.py")))
        kind, _, _, body = self.receive()
        if kind != WELCOME:
            raise RuntimeError(f"frame kind {kind} in answer to hello")
        welcome = fields(body)
        self.log_uuid = welcome[5]
        self.epoch, self.op, self.time_ms = (struct.unpack("<Q", welcome[number])[0] for number in (6, 9, 10))
        (self.shown_offset_ms,) = struct.unpack("<q", welcome[11])
        self.welcomed_at = time.monotonic()

    def server_ms(self):
        """The server's time: this machine's wall clock may be wrong, or right where the server's is not."""
        return self.time_ms + int((time.monotonic() - self.welcomed_at) * 1_000)

    def shown(self, deadline_s):
        """A deadline as people see it."""
        at = deadline_s + self.shown_offset_ms // 1_000
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(at))

    def read_exactly(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the server closed the connection")
            data += part
        return data

    def receive(self):
        """One frame: kind, request, count, body."""
        head = self.read_exactly(32)
        magic, version, kind, length, request, _, count, _, body_crc = HEADER.unpack_from(head)
        if magic != MAGIC or version != VERSION or crc32c(head[:28]) != struct.unpack_from("<I", head, 28)[0]:
            raise RuntimeError("the frame header is broken")
        body = self.read_exactly(length)
        if crc32c(body) != body_crc:
            raise RuntimeError("the frame body is broken")
        if kind == ERROR:
            raise RuntimeError("the server says: " + body[8:].decode())
        return kind, request, count, body

    def call(self, kind, body, count):
        """Sends a request and returns the next frame that answers it; frames of others are not expected here."""
        self.request += 1
        self.socket.sendall(frame(kind, self.request, body, count))
        while True:
            answer, request, _, body = self.receive()
            if request == self.request:
                return answer, body
            if answer == GOODBYE:
                print("the server is stopping")

    def resolve(self, entries):
        kind, body = self.call(RESOLVE, names(entries), len(entries))
        assert kind == RESOLVED
        numbers, at = [], 8
        for _ in range(struct.unpack_from("<Q", body)[0]):
            some = body[at]
            numbers.append(struct.unpack_from("<I", body, at + 1)[0] if some else None)
            at += 5 if some else 1
        return numbers

    def check(self, pairs):
        kind, body = self.call(CHECKS, checks(pairs), len(pairs))
        assert kind == CELLS
        op, *cells = struct.unpack(f"<Q{len(pairs)}q", body)
        return op, cells

    def command(self, command_record):
        kind, body = self.call(COMMANDS, command_record, 1)
        assert kind == OUTCOMES
        return next(read_outcomes(body))


def units(quantity):
    if quantity == NOT_ASSIGNED:
        return "not assigned"
    return "unlimited" if quantity == UNLIMITED else f"{quantity / 10_000:g} units"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7411)
    parser.add_argument("--sku", default="BIKE-0001")
    parser.add_argument("--stock", default="web-us")
    parser.add_argument("--units", type=int, default=1)
    parser.add_argument("--ttl-ms", type=int)
    arguments = parser.parse_args()

    connection = Connection(arguments.host, arguments.port)
    print(f"log {uuid.UUID(bytes=connection.log_uuid)}, epoch {connection.epoch}, op {connection.op}")
    sku, stock = connection.resolve([(0, arguments.sku), (1, arguments.stock)])
    if sku is None or stock is None:
        raise SystemExit(f"unknown: {arguments.sku if sku is None else arguments.stock}")
    op, (cell,) = connection.check([(sku, stock)])
    print(f"salable as of op {op}: {units(cell)}")

    command_id = new_id(connection.server_ms())
    cart = [(sku, arguments.units * 10_000)]
    sent = reserve(command_id, stock, cart, arguments.ttl_ms, fresh=True)
    for attempt in ("first", "repeated"):
        _, code, replayed, recorded, value, op, detail = connection.command(sent)
        print(
            f"{attempt}: {uuid.UUID(bytes=command_id)} {CODES.get(code, code)} op={op} value={value}"
            f" recorded={recorded} replayed={replayed} detail={told(detail)}"
            + (f" until={connection.shown(value)}" if code == 0 and value else "")
        )
        sent = reserve(command_id, stock, cart, arguments.ttl_ms)  # a repetition is never fresh


if __name__ == "__main__":
    main()
