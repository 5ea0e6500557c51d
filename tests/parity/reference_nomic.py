"""NomicBERT as its published modeling_hf_nomic_bert.py computes it, written
here from its behaviour; the library's NomicBertModel has the options of the models
of that name and no others. It must never be used where the library says the
same: there the two are compared.

Its files' config.json has the words of GPT-2. Where `rotary_scaling_factor` is
given, a sequence longer than the trained ones turns slower; the published code
keeps turning as slowly for what comes after it, here each sequence is its own.
"""

import torch
from torch import nn

from reference_published import ACTIVATIONS, Published, attention
from reference_published import inverse_frequencies, rotated

GATES = {"swiglu": "silu", "geglu": "gelu", "glu": "sigmoid"}


def frequencies(config, tokens):
    size = config["n_embd"] // config["n_head"]
    size = int(size * config["rotary_emb_fraction"])
    base, factor = config["rotary_emb_base"], config["rotary_scaling_factor"]
    trained = config["max_trained_positions"]
    if factor and tokens > trained:
        longer = factor * tokens / trained - (factor - 1)
        base = base * longer ** (size / (size - 2))
    return inverse_frequencies(size, base)


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        size = config["n_embd"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], size)
        if config["type_vocab_size"]:
            self.token_type_embeddings = nn.Embedding(
                config["type_vocab_size"], size)

    def forward(self, ids, types):
        x = self.word_embeddings(ids)
        if hasattr(self, "token_type_embeddings"):
            x = x + self.token_type_embeddings(types)
        return x


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, bias = config["n_embd"], config["qkv_proj_bias"]
        self.config = config
        self.Wqkv = nn.Linear(size, 3 * size, bias=bias)
        self.out_proj = nn.Linear(size, size, bias=bias)

    def forward(self, x):
        c = self.config
        packed = self.Wqkv(x).unflatten(-1, (3, c["n_head"], -1))
        q, k, v = packed.permute(2, 0, 3, 1, 4)
        slow = frequencies(c, x.shape[1])
        turned = (rotated(each, slow, c["rotary_emb_interleaved"])
                  for each in (q, k))
        gathered, shares = attention(*turned, v)
        return self.out_proj(gathered), shares


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, inner = config["n_embd"], config["n_inner"]
        first, second = config["mlp_fc1_bias"], config["mlp_fc2_bias"]
        gate = GATES.get(config["activation_function"])
        self.act = ACTIVATIONS[gate or "gelu"]
        if gate:
            assert inner % 256 == 0  # where the published code rounds up
            self.fc11 = nn.Linear(size, inner, bias=first)
            self.fc12 = nn.Linear(size, inner, bias=first)
        else:
            self.fc1 = nn.Linear(size, inner, bias=first)
        self.fc2 = nn.Linear(inner, size, bias=second)

    def forward(self, x):
        if hasattr(self, "fc1"):
            return self.fc2(self.act(self.fc1(x)))
        return self.fc2(self.fc11(x) * self.act(self.fc12(x)))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, eps = config["n_embd"], config["layer_norm_epsilon"]
        self.attn = Attention(config)
        self.mlp = FeedForward(config)
        self.norm1 = nn.LayerNorm(size, eps=eps)
        self.norm2 = nn.LayerNorm(size, eps=eps)

    def forward(self, x):
        gathered, shares = self.attn(x)
        x = self.norm1(gathered + x)
        return self.norm2(self.mlp(x) + x), shares


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList(
            Block(config) for _ in range(config["n_layer"]))


class NomicBertModel(Published):
    def __init__(self, config):
        super().__init__(config)
        assert not config["prenorm"] and not config["causal"]
        self.embeddings = Embeddings(config)
        self.emb_ln = nn.LayerNorm(
            config["n_embd"], eps=config["layer_norm_epsilon"])
        self.encoder = Encoder(config)

    def forward(self, input_ids, token_type_ids=None, **_):
        types = token_type_ids
        types = torch.zeros_like(input_ids) if types is None else types
        hidden, shares = [self.emb_ln(self.embeddings(input_ids, types))], []
        for layer in self.encoder.layers:
            x, share = layer(hidden[-1])
            hidden.append(x)
            shares.append(share)
        return self.answer(hidden, shares)

    @staticmethod
    def native(config):
        """The same in the library's words, or None where it has no such
        option."""
        same = {"activation_function": "swiglu", "qkv_proj_bias": False,
                "mlp_fc1_bias": False, "mlp_fc2_bias": False,
                "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False,
                "rotary_scaling_factor": None}
        if any(config[key] != value for key, value in same.items()):
            return None
        return "NomicBertModel", {
            "model_type": "nomic_bert", "vocab_size": config["vocab_size"],
            "hidden_size": config["n_embd"],
            "num_hidden_layers": config["n_layer"],
            "num_attention_heads": config["n_head"],
            "intermediate_size": config["n_inner"],
            "layer_norm_eps": config["layer_norm_epsilon"],
            "type_vocab_size": config["type_vocab_size"],
            "rope_parameters": {"rope_type": "default",
                                "rope_theta": config["rotary_emb_base"]},
        }
