"""What the references of published architectures share that the library has no
class for, or not every option of: how their files are read, rotary positions,
and the attention that all of them have. It must never look at what Remora
does: each reference says which published code it follows.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import random_model

# Of rotary frequencies, and of the angles that they and positions make, in
# runs that are wider too: their rounding is part of the model.
NARROW = torch.float32

ACTIVATIONS = {
    "gelu": functional.gelu, "relu": functional.relu,
    "silu": functional.silu, "sigmoid": torch.sigmoid,
}


def tensor_of(storage, shape, data):
    """A tensor of a file, widened to float32."""
    kinds = {"F32": torch.float32, "F16": torch.float16,
             "BF16": torch.bfloat16}
    raw = torch.from_numpy(np.frombuffer(data, np.uint8).copy())
    return raw.view(kinds[storage]).reshape(shape).float()


class Published(nn.Module):
    """A model whose modules are named as in the published files: a prefix
    (none for a bare model), then what the subclass makes of config.json."""

    def __init__(self, config):
        super().__init__()
        self.config = config

    @classmethod
    def opened(cls, folder, dtype):
        folder = Path(folder)
        model = cls(json.loads((folder / "config.json").read_text()))
        found = {}
        for path in folder.glob("*.safetensors"):
            for name, parts in random_model.read_safetensors(path).items():
                found[name] = tensor_of(*parts)
        model.load_state_dict(found, strict=True)
        return model.to(dtype).eval()

    def answer(self, hidden, attentions, logits=None):
        return SimpleNamespace(
            hidden_states=hidden, attentions=attentions,
            last_hidden_state=hidden[-1], logits=logits)


class FirstToken(nn.Module):
    """What a classifier is given: tanh of a layer on the first token."""

    def __init__(self, size):
        super().__init__()
        self.dense = nn.Linear(size, size)

    def forward(self, hidden):
        return torch.tanh(self.dense(hidden[:, 0]))


def heads_of(flat, heads):
    """[1, tokens, size] as [1, heads, tokens, size / heads]."""
    return flat.unflatten(-1, (heads, -1)).transpose(1, 2)


def attention(query, key, value, bias=0.0):
    """Every token sees every other; (what each gathers, with its heads side
    by side again, and the shares it gathered by)."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    shares = torch.softmax(scores + bias, dim=-1)
    return (shares @ value).transpose(1, 2).flatten(2), shares


def inverse_frequencies(size, base):
    steps = torch.arange(0, size, 2, dtype=NARROW) / size
    return 1.0 / base ** steps


def rotated(x, frequencies, interleaved=False):
    """Rotates the first 2 x len(frequencies) of each head's numbers by the
    position times the frequencies: those of the first half with those of the
    second, or neighbours with each other."""
    count = len(frequencies)
    positions = torch.arange(x.shape[-2], dtype=NARROW)
    angles = torch.outer(positions, frequencies).to(x.dtype)
    cos, sin = angles.cos(), angles.sin()
    turned, rest = x[..., :2 * count], x[..., 2 * count:]
    if interleaved:
        a, b = turned[..., 0::2], turned[..., 1::2]
    else:
        a, b = turned[..., :count], turned[..., count:]
    a, b = a * cos - b * sin, b * cos + a * sin
    if interleaved:
        turned = torch.stack((a, b), dim=-1).flatten(-2)
    else:
        turned = torch.cat((a, b), dim=-1)
    return torch.cat((turned, rest), dim=-1)
