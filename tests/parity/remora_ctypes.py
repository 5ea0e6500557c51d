"""remora.h through ctypes, as far as the tests need it: the C interface of
build/libremora.so, for texts of exact bytes. It must never soften a result:
what the library answers is what a test sees.
"""

import ctypes
from ctypes import POINTER, byref, c_char, c_char_p, c_float, c_int
from ctypes import c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np

TRUNCATE_END = 0
UNSUPPORTED = -4


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("message", c_char * 512)]


class Text(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("len", c_size_t)]


class Token(ctypes.Structure):
    _fields_ = [
        ("id", c_uint32), ("type_id", c_uint32),
        ("start", c_size_t), ("end", c_size_t),
    ]


class ModelInfo(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("path", c_char_p), ("architecture", c_char_p),
        ("dtype", c_int), ("pooling", c_char_p), ("pooling_guessed", c_int),
        ("normalize", c_int), ("dim", c_uint32), ("max_tokens", c_uint32),
        ("vocab_size", c_uint32), ("num_layers", c_uint32),
        ("num_heads", c_uint32), ("hidden_size", c_uint32),
        ("num_parameters", c_uint64), ("bytes", c_uint64),
        ("similarity", c_int), ("default_prompt", c_char_p), ("task", c_int),
        ("num_labels", c_uint32), ("adapter", c_char_p),
    ]


class ModelOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("dtype", c_int), ("sha256", c_char_p),
        ("tokenizer_only", c_int), ("pooling", c_char_p), ("task", c_int),
        ("adapter", c_char_p),
    ]


class EmbedOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("dimensions", c_uint32), ("normalize", c_int),
        ("truncate", c_int), ("timeout_ms", c_uint64),
        ("prompt_name", c_char_p), ("prompt", Text), ("windows", c_int),
        ("stride", c_uint32),
    ]


class EngineOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("threads", c_uint32), ("queue_jobs", c_uint32),
        ("queue_bytes", c_uint64), ("batch_tokens", c_uint32),
    ]


class TextResult(ctypes.Structure):
    _fields_ = [
        ("tokens", c_uint32), ("truncated", c_uint32), ("windows", c_uint32),
    ]


def initialized(kind, init):
    """The library's defaults in a structure of that kind. Init writes as many
    bytes as the header has: into a buffer with room, until the size that it
    left says that the two are the same.
    """
    room = ctypes.create_string_buffer(4 * ctypes.sizeof(kind))
    init(ctypes.cast(room, POINTER(kind)))
    options = kind.from_buffer_copy(room)
    if options.size != ctypes.sizeof(kind):
        raise TypeError(f"{kind.__name__} is {ctypes.sizeof(kind)} bytes here "
                        f"and {options.size} in remora.h")
    return options


class RemoraError(Exception):
    """A status other than RMR_OK, with its sentence."""

    def __init__(self, error):
        super().__init__(error.message.decode())
        self.status = error.status


class Remora:
    """One model and one engine."""

    def __init__(self, library, directory, threads=0, dtype="f32",
                 pooling=None):
        self.lib = ctypes.CDLL(str(library))
        self.declare()
        self.model = c_void_p()
        self.engine = c_void_p()
        self.tokens = c_void_p()
        error = Error()
        self.check(self.lib.rmr_model_open(
            byref(self.model), str(directory).encode(),
            byref(self.model_options(dtype, pooling)), byref(error),
        ), error)
        self.info = ModelInfo(size=ctypes.sizeof(ModelInfo))
        self.lib.rmr_model_get_info(self.model, byref(self.info))
        options = initialized(EngineOptions, self.lib.rmr_engine_options_init)
        options.threads = threads
        self.check(self.lib.rmr_engine_start(
            byref(self.engine), byref(options), byref(error)
        ), error)
        self.check(
            self.lib.rmr_tokens_new(byref(self.tokens), byref(error)), error
        )

    def declare(self):
        lib = self.lib
        error = POINTER(Error)
        lib.rmr_model_open.argtypes = [
            POINTER(c_void_p), c_char_p, POINTER(ModelOptions), error
        ]
        lib.rmr_model_options_init.argtypes = [POINTER(ModelOptions)]
        lib.rmr_model_options_init.restype = None
        lib.rmr_embed_options_init.argtypes = [POINTER(EmbedOptions)]
        lib.rmr_embed_options_init.restype = None
        lib.rmr_dtype_parse.argtypes = [c_char_p, POINTER(c_int), error]
        lib.rmr_version.restype = c_char_p
        lib.rmr_model_get_info.argtypes = [c_void_p, POINTER(ModelInfo)]
        lib.rmr_model_get_info.restype = None
        lib.rmr_model_release.argtypes = [c_void_p]
        lib.rmr_model_release.restype = None
        lib.rmr_engine_options_init.argtypes = [POINTER(EngineOptions)]
        lib.rmr_engine_options_init.restype = None
        lib.rmr_engine_start.argtypes = [
            POINTER(c_void_p), POINTER(EngineOptions), error
        ]
        lib.rmr_engine_stop.argtypes = [c_void_p]
        lib.rmr_engine_stop.restype = None
        lib.rmr_tokens_new.argtypes = [POINTER(c_void_p), error]
        lib.rmr_tokens_free.argtypes = [c_void_p]
        lib.rmr_tokens_free.restype = None
        lib.rmr_tokens_data.argtypes = [c_void_p, POINTER(c_size_t)]
        lib.rmr_tokens_data.restype = POINTER(Token)
        lib.rmr_tokens_truncated.argtypes = [c_void_p]
        lib.rmr_tokenize.argtypes = [
            c_void_p, Text, c_uint32, c_int, c_void_p, error
        ]
        lib.rmr_embed.argtypes = [
            c_void_p, c_void_p, POINTER(Text), c_size_t,
            POINTER(EmbedOptions), POINTER(c_float), POINTER(TextResult), error,
        ]

    def model_options(self, dtype, pooling):
        value, error = c_int(), Error()
        options = initialized(ModelOptions, self.lib.rmr_model_options_init)
        self.check(self.lib.rmr_dtype_parse(
            dtype.encode(), byref(value), byref(error)
        ), error)
        options.dtype = value
        options.pooling = pooling and pooling.encode()
        return options

    def embed_options(self, dimensions=0, prompt_name=None, prompt=None):
        options = initialized(EmbedOptions, self.lib.rmr_embed_options_init)
        options.dimensions = dimensions
        options.prompt_name = prompt_name and prompt_name.encode()
        if prompt is not None:
            options.prompt = Text(prompt, len(prompt))
        return options

    def version(self):
        return self.lib.rmr_version().decode()

    @staticmethod
    def check(status, error):
        if status != 0:
            raise RemoraError(error)

    def tokenize(self, data):
        """Ids, byte offsets and whether the text was cut."""
        error = Error()
        self.check(self.lib.rmr_tokenize(
            self.model, Text(data, len(data)), self.info.max_tokens,
            TRUNCATE_END, self.tokens, byref(error),
        ), error)
        count = c_size_t()
        tokens = self.lib.rmr_tokens_data(self.tokens, byref(count))
        ids = [tokens[i].id for i in range(count.value)]
        offsets = [
            [tokens[i].start, tokens[i].end] for i in range(count.value)
        ]
        cut = bool(self.lib.rmr_tokens_truncated(self.tokens))
        return ids, offsets, cut

    def embed(self, texts, **options):
        """float32 [texts, dim], tokens and cuts of texts given as bytes, in
        one job, with what embed_options takes."""
        views = (Text * len(texts))(*[Text(t, len(t)) for t in texts])
        results = (TextResult * len(texts))()
        given = self.embed_options(**options)
        dim = given.dimensions or self.info.dim
        vectors = np.empty((len(texts), dim), np.float32)
        error = Error()
        self.check(self.lib.rmr_embed(
            self.engine, self.model, views, len(texts), byref(given),
            vectors.ctypes.data_as(POINTER(c_float)), results, byref(error),
        ), error)
        return (
            vectors,
            [r.tokens for r in results],
            [bool(r.truncated) for r in results],
        )

    def close(self):
        self.lib.rmr_engine_stop(self.engine)
        self.lib.rmr_tokens_free(self.tokens)
        self.lib.rmr_model_release(self.model)
