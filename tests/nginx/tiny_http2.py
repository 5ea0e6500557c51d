"""The little of HTTP/2 (RFC 9113) that tests need and curl cannot be made to
do: several requests at once on one connection, and streams that are reset."""

import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = (
    0, 1, 3, 4, 6, 7, 8)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
CANCEL = 8
WINDOW = 1 << 30
# The statuses in HPACK's static table (RFC 7541, appendix A).
STATUSES = {0x88: 200, 0x8c: 400, 0x8d: 404, 0x8e: 500}


def frame(kind, flags, stream, payload=b""):
    length = struct.pack(">I", len(payload))[1:]
    return length + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A header field without indexing and without Huffman coding."""
    assert len(name) < 127 and len(value) < 127
    return (b"\0" + bytes([len(name)]) + name.encode()
            + bytes([len(value)]) + value.encode())


class Http2:
    """One connection. Windows are opened so wide that only the server's own
    limit matters, and what is sent stays under that."""

    def __init__(self, port, receive=None, timeout=60):
        """receive: the size of the socket's buffer for what arrives."""
        self.socket = socket.socket()
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   receive)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")
        self.streams = {}
        self.next = 1
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                  + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, WINDOW))
                  + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def post(self, path, body):
        """Sends a request; returns its stream."""
        stream, self.next = self.next, self.next + 2
        self.streams[stream] = [None, b"", False]
        fields = literal(":method", "POST") + literal(":scheme", "http")
        fields += literal(":authority", "localhost") + literal(":path", path)
        fields += literal("content-length", str(len(body)))
        self.send(frame(HEADERS, END_HEADERS, stream, fields))
        for start in range(0, len(body), 16384):
            piece = body[start:start + 16384]
            last = END_STREAM if start + 16384 >= len(body) else 0
            self.send(frame(DATA, last, stream, piece))
        return stream

    def reset(self, stream):
        self.send(frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL)))
        del self.streams[stream]

    def wait(self, stream):
        """Status and body of a reply, when it is complete."""
        while not self.streams[stream][2]:
            self.read_frame()
        status, body, _ = self.streams.pop(stream)
        return status, body

    def read_frame(self):
        header = self.file.read(9)
        if len(header) < 9:
            raise ConnectionError("the server closed the connection")
        length = int.from_bytes(header[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", header[3:])
        payload = self.file.read(length)
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        if kind == GOAWAY:
            raise ConnectionError(f"GOAWAY {payload.hex()}")
        if stream not in self.streams:
            return
        reply = self.streams[stream]
        if kind == HEADERS:
            reply[0] = self.status(payload)
        elif kind == DATA:
            reply[1] += payload
        elif kind == RST_STREAM:
            raise ConnectionError(f"stream {stream} was reset")
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            reply[2] = True

    @staticmethod
    def status(block):
        if block[0] & 0xe0 == 0x20:  # a change of the table's size
            block = block[1:]
        return STATUSES.get(block[0], block[:12].hex())
