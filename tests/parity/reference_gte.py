"""The encoder of Alibaba's GTE models of 2024 ("new" in config.json), as the
modeling.py of new-impl, which their files point at, computes it; written here
from its behaviour. It must never be used where the library's own GteModel
says the same: there the two are compared.
"""

import math

import torch
from torch import nn

from reference_published import ACTIVATIONS, NARROW, FirstToken, Published
from reference_published import attention, heads_of, inverse_frequencies
from reference_published import rotated


class RootMeanSquare(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        mean = x.square().mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(mean + self.eps))


def frequencies(config):
    """Of "ntk" scaling, the slower table at once, however short the sequence:
    that is the table the published code makes last."""
    size = config["hidden_size"] // config["num_attention_heads"]
    scaling = config.get("rope_scaling")
    if scaling is None:
        return inverse_frequencies(size, config["rope_theta"])
    assert scaling["type"] == "ntk"
    factor, mixed = scaling["factor"], scaling.get("mixed_b")
    if mixed is None:
        base = config["rope_theta"] * factor
        return inverse_frequencies(size, base) / factor ** (2 / size)
    steps = torch.arange(1, size // 2 + 1, dtype=NARROW) ** mixed
    rate = math.log(factor) / (size / 2) ** mixed
    return (inverse_frequencies(size, config["rope_theta"])
            / torch.exp(rate * steps))


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        size = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], size)
        if config["position_embedding_type"] == "absolute":
            self.position_embeddings = nn.Embedding(
                config["max_position_embeddings"], size)
        if config["type_vocab_size"]:
            self.token_type_embeddings = nn.Embedding(
                config["type_vocab_size"], size)
        self.LayerNorm = nn.LayerNorm(size, eps=config["layer_norm_eps"])

    def forward(self, ids, types):
        x = self.word_embeddings(ids)
        if hasattr(self, "token_type_embeddings"):
            x = x + self.token_type_embeddings(types)
        if hasattr(self, "position_embeddings"):
            x = x + self.position_embeddings.weight[:ids.shape[1]]
        return self.LayerNorm(x)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        size = config["hidden_size"]
        self.config, self.packed = config, config["pack_qkv"]
        if self.packed:
            self.qkv_proj = nn.Linear(size, 3 * size)
        else:
            self.q_proj = nn.Linear(size, size)
            self.k_proj = nn.Linear(size, size)
            self.v_proj = nn.Linear(size, size)
        self.o_proj = nn.Linear(size, size)

    def forward(self, x):
        c = self.config
        if self.packed:
            parts = self.qkv_proj(x).chunk(3, dim=-1)
        else:
            parts = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        q, k, v = (heads_of(part, c["num_attention_heads"])
                   for part in parts)
        if c["position_embedding_type"] == "rope":
            q, k = rotated(q, frequencies(c)), rotated(k, frequencies(c))
        if c["logn_attention_scale"]:
            scale = math.log(x.shape[1]) / math.log(
                c["max_position_embeddings"])
            q = q * (max(scale, 1.0) if c["logn_attention_clip1"] else scale)
        gathered, shares = attention(q, k, v)
        return self.o_proj(gathered), shares


class GatedLayers(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, inner = config["hidden_size"], config["intermediate_size"]
        self.up_gate_proj = nn.Linear(size, 2 * inner, bias=False)
        self.down_proj = nn.Linear(inner, size)
        self.act = ACTIVATIONS[config["hidden_act"]]

    def forward(self, x):
        up, gate = self.up_gate_proj(x).chunk(2, dim=-1)
        return self.down_proj(self.act(gate) * up)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        norm = {"layer_norm": nn.LayerNorm, "rms_norm": RootMeanSquare}[
            config["layer_norm_type"]]
        size, eps = config["hidden_size"], config["layer_norm_eps"]
        self.attention = Attention(config)
        self.mlp = GatedLayers(config)
        self.attn_ln = norm(size, eps=eps)
        self.mlp_ln = norm(size, eps=eps)

    def forward(self, x):
        gathered, shares = self.attention(x)
        x = self.attn_ln(x + gathered)
        return self.mlp_ln(x + self.mlp(x)), shares


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = nn.ModuleList(
            Layer(config) for _ in range(config["num_hidden_layers"]))


def run(model, ids, types):
    """The hidden states, embeddings first, and the attention of each layer,
    of modules named as the bare model's."""
    types = torch.zeros_like(ids) if types is None else types
    hidden, shares = [model.embeddings(ids, types)], []
    for layer in model.encoder.layer:
        x, share = layer(hidden[-1])
        hidden.append(x)
        shares.append(share)
    return hidden, shares


class NewModel(Published):
    def __init__(self, config):
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)

    def forward(self, input_ids, token_type_ids=None, **_):
        return self.answer(*run(self, input_ids, token_type_ids))

    @staticmethod
    def native(config):
        """The same in the library's words, or None where it has no such
        option."""
        same = {"layer_norm_type": "layer_norm", "rope_scaling": None,
                "position_embedding_type": "rope", "pack_qkv": True,
                "logn_attention_scale": False}
        if any(config.get(key) != value for key, value in same.items()):
            return None
        theta = config["rope_theta"]
        return "GteModel", {
            **config, "model_type": "gte",
            "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        }


class NewForSequenceClassification(Published):
    def __init__(self, config):
        super().__init__(config)
        size = config["hidden_size"]
        self.new = NewModel(config)
        self.new.pooler = FirstToken(size)
        self.classifier = nn.Linear(size, len(config["id2label"]))

    def forward(self, input_ids, token_type_ids=None, **_):
        hidden, shares = run(self.new, input_ids, token_type_ids)
        logits = self.classifier(self.new.pooler(hidden[-1]))
        return self.answer(hidden, shares, logits)


class NewForTokenClassification(Published):
    def __init__(self, config):
        super().__init__(config)
        self.new = NewModel(config)
        self.classifier = nn.Linear(
            config["hidden_size"], len(config["id2label"]))

    def forward(self, input_ids, token_type_ids=None, **_):
        hidden, shares = run(self.new, input_ids, token_type_ids)
        return self.answer(hidden, shares, self.classifier(hidden[-1]))
